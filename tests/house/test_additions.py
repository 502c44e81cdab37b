"""The size of an addition: a family, a representation, a data set and a command in few files each.

They are added to a scratch clone, used together by the real pipeline, and looked for wherever a
person would look for them.
"""

import shutil

import pytest
from dvc.repo import Repo

from tests.imports import ROOT
from tests.scratch import STAGES, Project

# The text of a new file, or (old, new) pieces of one.
Change = str | list[tuple[str, str]]

FAMILY: dict[str, Change] = {
    "digits/models/families.py": [
        ("\n@dataclass", "from sklearn.naive_bayes import GaussianNB\n\n\n@dataclass"),
        (
            'FAMILIES: dict[str, Family] = {\n',
            'FAMILIES: dict[str, Family] = {\n'
            '    "bayes": Family(GaussianNB, lambda seed, **settings: settings),\n',
        ),
    ],
    "digits/params/models.py": [
        ("class Models(", "class Bayes(Section):\n    var_smoothing: float\n\n\nclass Models("),
        ("\n    sgd: Sgd\n    softmax", "\n    bayes: Bayes\n    sgd: Sgd\n    softmax"),
    ],
    "params.yaml": [("\nmodels:\n", "\nmodels:\n  bayes:\n    var_smoothing: 0.1\n")],
    "tests/small.py": [
        ("SETTINGS: dict[str, dict[str, Any]] = {\n",
         'SETTINGS: dict[str, dict[str, Any]] = {\n    "bayes": {"var_smoothing": 0.1},\n'),
    ],
}  # fmt: skip

REPRESENTATION: dict[str, Change] = {
    "digits/features/inverted.py": '''"""Inverted images."""

import numpy as np

from digits.features.base import ImageTransformer


class Inverted(ImageTransformer):
    """255 less each pixel."""

    def transform(self, X):
        """X (n, pixels) -> float32 of the same shape."""
        return self._in_batches(X, lambda images: np.float32(255) - images, 100)
''',
    "digits/params/representations.py": [
        ("REPRESENTATIONS: dict[str, Entry] = {\n",
         "REPRESENTATIONS: dict[str, Entry] = {\n"
         '    "inverted": Entry("dark on light", '
         '(Step("invert", "digits.features.inverted:Inverted"),)),\n'),
    ],
    "tests/features/test_inverted.py": "def test_inverted(): ...\n",
}  # fmt: skip

DATASET: dict[str, Change] = {
    "digits/data/loaders.py": [
        ("\ndef from_table(",
         '''
def stripes() -> DataSet:
    """300 images of 8 x 10 pixels, 200 of them for training: the place of a stripe is the digit."""
    labels = np.arange(300, dtype=np.uint8) % 10
    images = np.random.default_rng(0).integers(0, 200, (300, 8, 10), np.uint8)
    images[np.arange(300), :, labels] += 55
    return DataSet(images, labels, 200)


def from_table('''),
    ],
    "digits/params/datasets.py": [
        ("SOURCES: tuple[Source, ...] = (\n",
         "SOURCES: tuple[Source, ...] = (\n"
         '    Source("stripes", "toy images", "digits.data.loaders:stripes", '
         'origin="https://stripes.invalid", licence="none"),\n'),
    ],
    "tests/data/test_stripes.py": "def test_stripes(): ...\n",
}  # fmt: skip

COMMAND: dict[str, Change] = {
    "digits/commands/hello.py": '''"""`python -m digits hello`: greet."""

HELP = "greet whoever asks"


def add_arguments(parser):
    """Who asks."""
    parser.add_argument("name")


def run(arguments):
    """Print."""
    print(f"hello {arguments.name}")
''',
    "digits/__main__.py": [('    "compare",\n', '    "compare",\n    "hello",\n')],
    "tests/commands/test_hello.py": "def test_hello(): ...\n",
}  # fmt: skip

# What is added, and in how many files at most.
ADDITIONS: dict[str, tuple[dict[str, Change], int]] = {
    "family": (FAMILY, 4),
    "representation": (REPRESENTATION, 5),
    "data set": (DATASET, 3),
    "command": (COMMAND, 3),
}


def apply(project: Project, addition: dict[str, Change]) -> None:
    for name, change in addition.items():
        file = project.path / name
        if isinstance(change, str):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(change, encoding="utf-8")
            continue
        text = file.read_text(encoding="utf-8")
        for old, new in change:
            assert text.count(old) >= 1, f"{name} has no {old!r}"
            text = text.replace(old, new, 1)
        file.write_text(text, encoding="utf-8")


@pytest.mark.slow
def test_an_addition_takes_few_files_and_is_found_everywhere(
    newcomer: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    (newcomer.path / "tests").mkdir()
    shutil.copy(ROOT / "tests" / "small.py", newcomer.path / "tests" / "small.py")
    newcomer.commit("the table of small settings")
    for what, (addition, limit) in ADDITIONS.items():
        apply(newcomer, addition)
        newcomer.git("add", "-A")
        changed = newcomer.git("diff", "--cached", "--name-only", "HEAD").split()
        assert set(changed) == set(addition) and len(changed) <= limit, what
        newcomer.git("commit", "-qm", what)

    newcomer.edit(
        fetch__dataset="stripes", train__features="inverted", train__model="bayes",
        augment__shifts=[],
    )  # fmt: skip
    assert newcomer.repro() == list(STAGES)
    assert newcomer.json("metrics/test.json")["n"] == 100
    assert newcomer.json("metrics/test.json")["accuracy"] > 0.5
    (run,) = newcomer.runs()
    assert run.data.params["models.bayes.var_smoothing"] == "0.1"
    assert run.data.params["train.features"] == "inverted"

    # The rungs do not need the new family, and are valid with it.
    said = newcomer.run("python", "-m", "digits", "ladder", "nothing", fails=True)
    assert "RUNGS has nothing, allowed are all, quick and five-sgd" in said

    assert "greet whoever asks" in newcomer.run("python", "-m", "digits", "--help")
    # Both in one process.
    both = "from digits.__main__ import main; main(['hello', 'you']); main(['catalogue'])"
    greeting, _, catalogue = newcomer.run("python", "-c", both).partition("\n")
    assert greeting == "hello you"
    for name in ("bayes", "inverted", "stripes", "hello"):
        assert f"| `{name}` " in catalogue
    for key, nearest in (
        ("fetch__dataset", "stripes"), ("train__features", "inverted"), ("train__model", "bayes"),
    ):  # fmt: skip
        right = (newcomer.path / "params.yaml").read_text(encoding="utf-8")
        newcomer.edit(**{key: nearest[:-1]})
        message = newcomer.run("python", "-m", "stages", "split", fails=True)
        assert f"did you mean {nearest}?" in message, message
        (newcomer.path / "params.yaml").write_text(right, encoding="utf-8")
    # An edit of the new transformer runs what depends on it, although only a table names it.
    file = newcomer.path / "digits" / "features" / "inverted.py"
    file.write_text(file.read_text(encoding="utf-8").replace("255", "250"), encoding="utf-8")
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", newcomer.env["DVC_SITE_CACHE_DIR"])
    with Repo(str(newcomer.path)) as repo:
        assert {address.rpartition(":")[2] for address in repo.status()} == {"train", "evaluate"}
