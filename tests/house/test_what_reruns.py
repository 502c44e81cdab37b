"""An edit of a file runs the stages that need it again, and no other: asked of real DVC."""

import json
from contextlib import ExitStack
from pathlib import Path

import pytest
from dvc.repo import Repo

from digits.common.files import remove
from digits.data.dataset import save_raw
from digits.params.datasets import SOURCES
from tests.scratch import STAGES, Project, edited
from tests.served import DATA

TRAINED = ["train", "evaluate"]  # and `track`, by what these make
# An edit, the file, and the stages whose own dependencies it changes.
EDITS: list[tuple[str, str, list[str]]] = [
    ("a log line in tracking", "digits/tracking/live.py", ["track"]),
    ("what completes a run", "digits/tracking/completion.py", ["track"]),
    ("a look-up of runs", "digits/experiments/revisions.py", []),
    ("a paired test", "digits/experiments/paired.py", []),
    ("a threshold", "digits/metrics/curves.py", ["evaluate"]),
    ("a metric", "digits/metrics/classification.py", ["train", "evaluate"]),
    ("the files of metrics", "digits/metrics/tables.py", ["train", "evaluate", "track"]),
    ("a picture", "digits/plots/galleries.py", ["evaluate"]),
    ("a family", "digits/models/families.py", TRAINED),
    ("an estimator", "digits/models/neighbors.py", TRAINED),
    ("a representation", "digits/features/scattering.py", TRAINED),
    ("how a model learns", "digits/training/fit.py", ["train"]),
    ("a transform of images", "digits/data/transforms.py", ["augment", "evaluate"]),
    ("the folds", "digits/data/folds.py", ["split", "augment", "train", "evaluate"]),
    ("a mirror", "digits/data/mirrors.py", ["fetch"]),
    ("the schema", "digits/params/schema.py", [*STAGES]),
    ("the guard", "stages/runner/guard.py", [*STAGES]),
    ("one stage", "stages/split.py", ["split"]),
    ("a comparison", "digits/experiments/comparison.py", []),
    ("what a command prints", "digits/commands/compare.py", []),
    ("how a picture becomes an image", "digits/pictures/ink.py", ["fetch"]),
    ("how pictures are answered", "digits/inference/reader.py", []),
    ("a test", "tests/house/test_rooms.py", []),
    ("the README", "README.md", []),
    ("an editor's backup", "digits/models/svm.py~", []),
    ("an editor's lock", "digits/models/.#svm.py", []),
    ("a folder's settings", "digits/models/.DS_Store", []),
    ("a desktop's copy", "digits/models/._svm.py", []),
    ("a note", "digits/models/todo.txt", []),
    ("compiled code", "digits/models/__pycache__/svm.cpython-311.pyc", []),
    ("one's own data", "data/own/mine/images", ["fetch"]),
    (
        "the pin of a library that computes",
        "requirements.lock",
        ["fetch", "split", "augment", *TRAINED],
    ),
    ("the pin of another", "tools.lock", []),
    ("a folder's settings beside one's own data", "data/own/.DS_Store", []),
    ("a desktop's copy of data", "data/augmented/._labels.npy", []),
    ("a desktop's previews", "models/Thumbs.db", []),
    ("an editor's swap file", "data/raw/.about.json.swp", []),
    ("a new module in a folder", "digits/models/new.py", TRAINED),
]


def outdated(project: Project) -> list[str]:
    """The stages that `dvc status` finds changed by an edit: of each its own dependencies."""
    with Repo(str(project.path)) as repo:
        changed = {address.rpartition(":")[2] for address in repo.status()}
    return [stage for stage in STAGES if stage in changed]


def test_an_edit_runs_the_stages_that_need_it_and_no_other(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", project.env["DVC_SITE_CACHE_DIR"])
    wrong = {}
    with ExitStack() as all_at_once:
        for _, name, expected in EDITS:
            if not expected:
                all_at_once.enter_context(edited(project.path / name))
        none_of_these_matters = outdated(project) == []
    for what, name, expected in EDITS:
        if not expected and none_of_these_matters:
            continue
        with edited(project.path / name):
            found = outdated(project)
        if found != expected:
            wrong[what] = f"{name}: {found}, expected {expected}"
    assert not wrong, json.dumps(wrong, indent=1)
    assert outdated(project) == []


@pytest.mark.slow
def test_an_edit_of_the_schema_needs_no_network(newcomer: Project, tmp_path: Path) -> None:
    """Nor does a new clone on this machine: what came over the network is kept by its digest."""
    table = newcomer.path / "digits" / "params" / "datasets.py"
    mnist = SOURCES[0].sha256
    assert mnist
    code = table.read_text(encoding="utf-8").replace(mnist, DATA.sha256)
    table.write_text(code, encoding="utf-8")
    kept = tmp_path / "cache" / DATA.sha256
    kept.mkdir(parents=True)
    save_raw(DATA, kept)
    newcomer.edit(fetch__dataset="mnist_784")
    # No host of this name can be reached, with or without a network.
    offline = {
        "DIGITS_CACHE": str(kept.parent),
        "https_proxy": "http://127.0.0.1:9",
        "no_proxy": "",
    }
    offline |= {"DIGITS_MIRRORS": "cvdf", "NO_PROXY": ""}
    assert newcomer.repro("fetch", **offline) == ["fetch"]
    with edited(newcomer.path / "digits" / "params" / "schema.py"):
        assert newcomer.repro("fetch", **offline) == ["fetch"]
        remove(kept)
        message = newcomer.dvc("repro", "--force", "fetch", fails=True, **offline)
    assert "fetch: MNIST could not be fetched (cvdf: " in message
    assert "Traceback" not in message
