"""`python -m digits.ladder [RUNGS] [JOBS]`: run the experiments of ladder.yaml that have not run yet, and write docs/ladder.md.

RUNGS is all, quick, or names with commas or blanks between them. Each rung is a DVC experiment under its own name: `dvc exp show`
lists them, `dvc exp apply NAME` brings one into the workspace.
"""

import hashlib
import json
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError

from digits.common.dvc_yaml import parse_yaml
from digits.common.errors import BadInput
from digits.experiments.comparison import compare
from digits.experiments.git import (
    ROOT,
    baseline_ref,
    head_commit,
    list_experiments,
    read_file,
    run_git,
)
from digits.experiments.queue import read_queue, run_dvc, run_queue
from digits.experiments.revisions import read_hash, read_revision
from digits.metrics.intervals import proportion
from digits.params.fields import Section
from digits.params.nested import flatten, with_overrides
from digits.params.schema import Params, parse_params
from digits.tracking.lookup import store_folder
from digits.tracking.store import Store


class Rung(Section):
    """One experiment: what to set beyond `base`, and the published numbers, as printed, by metric."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")]
    what: str
    source: str
    chapter: int | None = None
    set: dict[str, Any] = Field(default={})
    published: dict[str, str] = Field(default={})
    quick: bool = False
    note: str = ""


class Ladder(Section):
    """All rungs, and the params.yaml that each of them begins with."""

    base: dict[str, Any]
    rungs: list[Rung]


def read_ladder(path: Path) -> Ladder:
    """The rungs of ladder.yaml. Raises BadInput naming the first thing that is wrong."""
    try:
        ladder = Ladder.model_validate(parse_yaml(path.read_text(encoding="utf-8"), path.name))
    except ValidationError as error:
        first = error.errors()[0]
        raise BadInput(
            f"{path.name}: {'.'.join(map(str, first['loc']))}: {first['msg']}."
        ) from None
    for rung in ladder.rungs:
        params_of(ladder, rung)
    return ladder


def chosen(ladder: Ladder, which: str) -> list[Rung]:
    """The rungs that `all`, `quick` or a list of names means. Raises BadInput for a name that is none."""
    names = {rung.name: rung for rung in ladder.rungs}
    if which == "all":
        return ladder.rungs
    if which == "quick":
        return [rung for rung in ladder.rungs if rung.quick]
    wanted = which.replace(",", " ").split()
    if unknown := set(wanted) - set(names):
        raise BadInput(
            f"RUNGS has {', '.join(sorted(unknown))}, allowed are all, quick and {', '.join(names)}."
        )
    return [names[name] for name in wanted]


def params_of(ladder: Ladder, rung: Rung) -> Params:
    """All params of a rung. Raises BadInput, as `parse_params`."""
    return parse_params(
        json.dumps(with_overrides(ladder.base, rung.set)), f"ladder.yaml: {rung.name}"
    )


def overrides(ladder: Ladder, rung: Rung) -> Iterator[str]:
    """The rung's params, all of them, as `dvc exp run -S` takes them."""
    yield "~models"  # for DVC merges: a voter in params.yaml would vote with those of the rung
    for key, value in flatten(with_overrides(ladder.base, rung.set)).items():
        yield f"++{key}={value if isinstance(value, str) else json.dumps(value)}"


def found(ladder: Ladder) -> dict[str, str]:
    """The revisions of the rungs' experiments, by name: the newest with these settings and by the code that is there now."""
    revisions: dict[str, str] = {}
    wanted = {rung.name: params_of(ladder, rung).effective() for rung in ladder.rungs}
    for name, commit, _ in list_experiments(ROOT):
        if name in wanted and name not in revisions and _is_current(wanted[name], commit):
            revisions[name] = commit
    return revisions


def _is_current(wanted: Mapping[str, Any], revision: str) -> bool:
    try:
        if parse_params(read_file(ROOT, revision, "params.yaml")).effective() != wanted:
            return False
        stages = parse_yaml(read_file(ROOT, revision, "dvc.lock"), "dvc.lock")["stages"]
    except (
        BadInput,
        KeyError,
    ):  # of before there were such params or such a file
        return False
    results = [stage for name, stage in stages.items() if name != "track"]  # which only reports
    code = {
        dep["path"]: dep["md5"]
        for stage in results
        for dep in stage["deps"]
        if dep["path"].endswith(".py")
    }
    files = {path: ROOT / path for path in code}
    return all(files[path].exists() and _md5(files[path]) == md5 for path, md5 in code.items())


def _md5(path: Path) -> str:
    return hashlib.md5(
        path.read_bytes(), usedforsecurity=False
    ).hexdigest()  # DVC's name for a file


def run(ladder: Ladder, rungs: list[Rung], jobs: int) -> None:
    """Queue the rungs that have no experiment yet, and work the queue off, `jobs` at a time.

    An outdated experiment of the last commit makes room: DVC has one of a name for each commit, and `--force` would run all stages.
    """
    there = found(ladder)
    todo = [rung for rung in rungs if rung.name not in there]
    queued = read_queue(ROOT).left.values()
    head = head_commit(ROOT)
    for rung in todo:
        if rung.name not in queued:
            settings = [
                part for override in overrides(ladder, rung) for part in ("--set-param", override)
            ]
            _make_room(f"{baseline_ref(head)}/{rung.name}")
            run_dvc(ROOT, "exp", "run", "--queue", "--name", rung.name, *settings)
    if todo:
        run_queue(ROOT, jobs)


def _make_room(ref: str) -> None:
    if revision := run_git(ROOT, "for-each-ref", "--format=%(objectname)", ref).strip():
        run_git(ROOT, "update-ref", "-d", ref)  # `dvc exp remove` might take another commit's
        name, undo = ref.rpartition("/")[2], f"git update-ref {ref} {revision}"
        print(
            f"the experiment {name} is of other params or code and makes room: `{undo}` brings it back",
            file=sys.stderr,
        )


def measured(revision: str) -> dict[str, Any]:
    """The metrics of an experiment, as `test.accuracy` and so on."""
    values: dict[str, Any] = {}
    for part in ("validation", "test"):
        of_part = json.loads(read_file(ROOT, revision, f"metrics/{part}.json"))
        values |= {f"{part}.{name}": value for name, value in of_part.items()}
    return values


def costs(ladder: Ladder, revisions: Mapping[str, str]) -> dict[str, dict[str, float]]:
    """What training cost, by rung: seconds and MiB, of the newest run with the rung's model that MLflow saw train."""
    of_model: dict[str, dict[str, float]] = {}
    for run in reversed(Store(store_folder(ROOT)).runs("attributes.status = 'FINISHED'")):
        if "cost/train_seconds" in run.data.metrics:
            cost = {name.removeprefix("cost/"): value for name, value in run.data.metrics.items()}
            of_model[run.data.tags.get("dvc.models", "")] = cost
    models = {
        rung.name: read_hash(ROOT, revisions[rung.name], "models")
        for rung in ladder.rungs
        if rung.name in revisions
    }
    return {name: of_model[model] for name, model in models.items() if model in of_model}


def verdict(rung: Rung, values: Mapping[str, Any]) -> str:
    """How a rung's metrics compare with those published.

    exact: the same to the last printed digit. within: inside the published accuracy's own 95 % interval. Else missed, or better.
    """
    words = set()
    for name, printed in rung.published.items():
        here, there = values[name], float(printed)
        low = high = there
        if n := _images(name, values):
            low, high = proportion(round(there * n), n, 0.95)
        same = round(here, _decimals(printed)) == there
        words.add(
            "exact"
            if same
            else "within"
            if low <= here <= high
            else "better"
            if here > high
            else "missed"
        )
    return next((word for word in ("missed", "better", "within", "exact") if word in words), "")


def _images(name: str, values: Mapping[str, Any]) -> int:
    """On how many images an accuracy was measured; 0 for what is no accuracy."""
    folds = sum(
        re.fullmatch(r"validation\.fold_\d+", key) is not None for key in values
    )  # each has a _low and a _high too
    if name.startswith("validation.fold_"):
        return int(values["validation.n"]) // folds
    return int(values["test.n"]) if name == "test.accuracy" else 0


def _decimals(printed: str) -> int:
    return len(printed.partition(".")[2])


def steps(ladder: Ladder, revisions: Mapping[str, str]) -> dict[str, str]:
    """Whether each rung differs for real from the one above it in the table, where both answer the same question."""
    words: dict[str, str] = {}
    names = [rung.name for rung in ladder.rungs]
    for above, name in pairwise(names):
        if above in revisions and name in revisions:
            with suppress(BadInput):  # another question, or not on this machine
                step = compare(
                    read_revision(ROOT, revisions[above]), read_revision(ROOT, revisions[name])
                ).accuracy
                words[name] = f"{step.verdict}, p = {step.exact_p_value:.2g}"
    return words


def table(
    ladder: Ladder,
    results: Mapping[str, Mapping[str, Any]],
    cost: Mapping[str, Mapping[str, float]],
    compared: Mapping[str, str],
    before: Mapping[str, list[str]],
) -> str:
    """docs/ladder.md: published against measured, rung by rung, and what `steps` says of each.

    Parameters: `before` the cells by rung of the table that there is (`read_table`). What is not known here stays, unless it was
    of other numbers: a cost is of the rung's own, a comparison of those of the rung above too.
    """
    numbers = {
        rung.name: _numbers(rung, results[rung.name])
        for rung in ladder.rungs
        if rung.name in results
    }
    same = {
        name
        for name, old in before.items()
        if name not in numbers or _measured(numbers[name]) == _measured(old[3:7])
    }
    steps_before = {*pairwise(before)}
    lines, above = [HEAD], ""
    for rung in ladder.rungs:
        name, spent = rung.name, cost.get(rung.name, {})
        published = "<br>".join(
            f"{metric.partition('.')[2]} {printed}" for metric, printed in rung.published.items()
        )
        old = before[name][3:] if name in same else ["not run yet", *[""] * 6]
        seconds, memory = (
            f"{spent[key]:,.0f}" if key in spent else ""
            for key in ("train_seconds", "peak_memory_mib")
        )
        step = old[6] if (above, name) in steps_before and above in same else ""
        last = [seconds or old[4], memory or old[5], compared.get(name) or step]
        cells = [
            f"[{name}](#{name})",
            str(rung.chapter or ""),
            published,
            *numbers.get(name, old[:4]),
            *last,
        ]
        lines.append("| " + " | ".join(cells) + " |")
        above = name
    lines += [""]
    for rung in ladder.rungs:
        settings = " ".join(
            f"`{key}={value if isinstance(value, str) else json.dumps(value)}`"
            for key, value in rung.set.items()
        )
        text = [f"### {rung.name}", "", rung.what, "", settings, "", f"Published: {rung.source}."]
        lines += [*text, *(["", rung.note] if rung.note else []), ""]
    return "\n".join(lines)


def _numbers(rung: Rung, values: Mapping[str, Any]) -> list[str]:
    """The cells that are the rung's own: what was published as it is here, the verdict, the test accuracy, the errors."""
    here = "<br>".join(
        f"{values[name]:.{_decimals(printed)}f}" for name, printed in rung.published.items()
    )
    accuracy, low, high = (f"{values[f'test.accuracy{end}']:.4f}" for end in ("", "_low", "_high"))
    return [
        here,
        verdict(rung, values),
        f"{accuracy} ({low} to {high})",
        str(values["test.errors"]),
    ]


def _measured(numbers: list[str]) -> list[str]:
    return [numbers[0], *numbers[2:]]  # the verdict depends on what was published


def read_table(text: str) -> dict[str, list[str]]:
    """The cells of each rung in docs/ladder.md, as far as there are any numbers."""
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text.splitlines()
        if line.startswith("| [")
    ]
    return {
        cells[0][1:].partition("]")[0]: cells
        for cells in rows
        if len(cells) == COLUMNS and cells[3] != "not run yet"
    }


COLUMNS = 10

HEAD = """# The ladder: every rung of the book, and past it

Written by `make ladder` from `ladder.yaml`. Every rung is a DVC experiment on the 60,000 training and 10,000 test images of MNIST;
the test accuracy has its 95 % interval (Wilson). *Exact*: the published number to its last digit. *Within*: inside the 95 %
interval that the published accuracy has itself. *Better* and *missed*: outside it. Seconds and MiB are those of `train`, validation
and final fit together, on the machine that ran it, other rungs perhaps running beside it. The last column compares a rung with the
one above it, image by image, by McNemar's exact test, where both answer the same question. A rung that `make ladder RUNGS=...` left
out keeps the numbers of its last run.

| rung | chapter | published | here | | test accuracy | errors | seconds | MiB | than the rung above |
|---|---|---|---|---|---|---|---|---|---|"""
