"""Names of runs in MLflow: short, and another for each result of one commit."""

import hashlib
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from digits.common.dvc_yaml import parse_yaml
from digits.common.errors import BadInput
from digits.experiments.git import (
    GitError,
    branch_name,
    patch_from_head,
    read_file,
    short_head_commit,
)
from digits.experiments.provenance import CODE_PATHS, locked_hashes, parse_locked_hashes
from digits.params.datasets import find_source
from digits.params.nested import flatten

LONGEST = 40  # letters for the params that are not HEAD's


def run_name(experiment: str) -> str:
    """The name of a run: the DVC experiment's, else branch, commit, and what is not committed.

    Parameters
    ----------
    experiment : str
        The name of the DVC experiment; empty when it is none.

    Returns
    -------
    str
        As main-ed08acb, main-ed08acb-n_neighbors=300 or main-ed08acb-params-1f3c55-code-09ab3e:
        what is too long to be written out is a digest of six digits.
    """
    if experiment:
        return experiment
    commit = short_head_commit(Path())
    if not commit:
        params = Path("params.yaml")
        return f"no-commit-{_digest(params.read_text('utf-8'))}" if params.exists() else "no-commit"
    changed = _changed_params()
    parts = [f"{branch_name(Path()) or 'HEAD'}-{commit}", _describe(changed), _changed_code()]
    # Other params of `fetch` say it in words, but a folder of one's own may hold anything.
    fetched = [str(value) for key, value in changed.items() if key.startswith("fetch.")]
    sources = [source for source, _ in filter(None, map(find_source, fetched))]
    if not fetched or any(source.takes_folder for source in sources):
        parts.append(_changed_data())
    return "-".join(filter(None, parts))


def _changed_params() -> dict[str, Any]:
    """The params that are not HEAD's, flat; of `models` only those of the chosen one."""
    try:
        before = flatten(parse_yaml(read_file(Path(), "HEAD", "params.yaml"), "params.yaml"))
        now = flatten(parse_yaml(Path("params.yaml").read_text(encoding="utf-8"), "params.yaml"))
    except (BadInput, OSError, ValueError, AttributeError):  # one of the two is missing or broken
        return {}
    matters = f"models.{now.get('train.model')}."
    return {
        key: now.get(key)
        for key in {**now, **before}
        if now.get(key) != before.get(key)
        and (not key.startswith("models.") or key.startswith(matters))
    }


def _describe(changed: Mapping[str, Any]) -> str:
    """As n_neighbors=300,weights=uniform; with a digest if that is too long or has other signs."""
    names = {key: key.rpartition(".")[2] for key in changed}
    times_used = Counter(names.values())
    parts: list[str] = []
    for key, value in changed.items():
        text = f"{names[key] if times_used[names[key]] == 1 else key}={_plain(value)}"
        if not re.fullmatch(r"[\w.,:/+=-]+", text) or len(",".join([*parts, text])) > LONGEST:
            return "-".join([*filter(None, [",".join(parts)]), f"params-{_digest(repr(changed))}"])
        parts.append(text)
    return ",".join(parts)


def _plain(value: Any) -> str:
    """A value as it is written in params.yaml, and a list without brackets."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def _changed_code() -> str:
    try:
        patch = patch_from_head(Path(), CODE_PATHS)
    except GitError:
        return ""
    return f"code-{_digest(patch)}" if patch else ""


def _changed_data() -> str:
    """One's own data may be others than those that HEAD's results were made from."""
    try:
        before = parse_locked_hashes(read_file(Path(), "HEAD", "dvc.lock"), "dvc.lock")
        now = locked_hashes(Path("dvc.lock"))
    except BadInput:
        return ""
    raw = "dvc.data/raw"
    if raw not in before or raw not in now or before[raw] == now[raw]:
        return ""
    return f"data-{_digest(now[raw])}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:6]
