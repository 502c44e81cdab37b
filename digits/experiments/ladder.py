"""ladder.yaml: published results, each with the params of the experiment to compare with it."""

import json
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError

from digits.common.dvc_yaml import parse_yaml
from digits.common.errors import BadInput
from digits.params.fields import Section
from digits.params.nested import flatten, with_overrides
from digits.params.schema import Params, parse_params, read_params


class Rung(Section):
    """One published result, and the experiment of this pipeline that is compared with it.

    Attributes
    ----------
    name : str
        Of the DVC experiment.
    what : str
        What the experiment is.
    source : str
        Where the result is published.
    chapter : int or None
        Of the book, if it is there.
    set : dict of str to value
        The params that are not those of `Ladder.base`, by dotted name.
    published : dict of str to str
        The published numbers as printed, by metric such as `test.accuracy`.
    quick : bool
        Whether it trains in about two minutes or less on two cores.
    note : str
        What else is to be said.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")]
    what: str
    source: str
    chapter: int | None = None
    set: dict[str, Any] = Field(default={})
    published: dict[str, str] = Field(default={})
    quick: bool = False
    note: str = ""


class Ladder(Section):
    """All rungs, and the whole params.yaml that the params of each are a change of."""

    base: dict[str, Any]
    rungs: list[Rung]


def read_ladder(path: Path) -> Ladder:
    """Read and check ladder.yaml. Raises BadInput naming the first thing that is wrong.

    A family of models that its `base` lacks has the section of the params.yaml beside it: one that
    was added since, and that no rung uses, is none of its concern.
    """
    try:
        ladder = Ladder.model_validate(parse_yaml(path.read_text(encoding="utf-8"), path.name))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise BadInput(f"{path.name}: {key}: {first['msg']}.") from None
    if isinstance(models := ladder.base.get("models"), dict):
        today = read_params(path.with_name("params.yaml")).models.model_dump(by_alias=True)
        ladder.base["models"] = today | models
    for rung in ladder.rungs:
        rung_params(ladder, rung)
    return ladder


def choose_rungs(ladder: Ladder, which: str) -> list[Rung]:
    """The rungs that the user asks for.

    Parameters
    ----------
    ladder : Ladder
        All rungs.
    which : str
        `all`, `quick`, or names with commas or blanks between them.

    Raises
    ------
    BadInput
        When a name is that of no rung.
    """
    rungs = {rung.name: rung for rung in ladder.rungs}
    if which == "all":
        return ladder.rungs
    if which == "quick":
        return [rung for rung in ladder.rungs if rung.quick]
    names = which.replace(",", " ").split()
    if unknown := set(names) - set(rungs):
        raise BadInput(
            f"RUNGS has {', '.join(sorted(unknown))}, "
            f"allowed are all, quick and {', '.join(rungs)}."
        )
    return [rungs[name] for name in names]


def rung_params(ladder: Ladder, rung: Rung) -> Params:
    """All params of a rung. Raises BadInput as `parse_params`."""
    values = with_overrides(ladder.base, rung.set)
    return parse_params(json.dumps(values), f"ladder.yaml: {rung.name}")


def dvc_overrides(ladder: Ladder, rung: Rung) -> list[str]:
    """All params of a rung, each as `dvc exp run --set-param` takes it."""
    values = flatten(with_overrides(ladder.base, rung.set))
    # DVC merges: members of a voting in params.yaml would vote along with the rung's.
    return ["~models", *(f"++{assignment(name, value)}" for name, value in values.items())]


def assignment(name: str, value: Any) -> str:
    """A param and its value, as `train.model=knn` or `train.components=200`."""
    return f"{name}={value if isinstance(value, str) else json.dumps(value)}"
