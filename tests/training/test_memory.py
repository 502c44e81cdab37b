"""Learning by epochs takes no more memory for more images in a file."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.imports import ROOT
from tests.small import BY_EPOCHS

pytestmark = pytest.mark.skipif(
    sys.platform != "linux",
    reason="only Linux tells in /proc what a process holds in memory at most",
)
every_model = pytest.mark.parametrize("model", BY_EPOCHS)

CODE = """
import sys
from pathlib import Path
import numpy as np
from digits.common.arrays import open_array_file
from digits.common.resources import peak_memory
from digits.training.fit import TrainingSet, fit
from digits.training.options import FitOptions
from tests.small import new
model, originals, copies = sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
source = np.tile(np.arange(originals, dtype=np.int32), copies)
X = open_array_file(Path(sys.argv[1]), np.uint8, (None, 28, 28)).reshape(len(source), 28 * 28)
data = TrainingSet(X, (source % 10).astype(np.uint8), source, originals)
settings = {"sgd": {}, "softmax": {"batch_size": 1_000}}
settings["mlp"] = settings["softmax"] | {"hidden_layers": [30]}
fit(new(model, epochs=1, **settings[model]), data, options=FitOptions(epochs=1))
print(peak_memory())
"""


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of 100,000 images of MNIST's size."""
    path = tmp_path_factory.mktemp("many") / "images.npy"
    images = np.random.default_rng(0).integers(0, 256, (4_000, 28, 28), np.uint8)
    file = np.lib.format.open_memmap(path, "w+", np.uint8, (25 * 4_000, 28, 28))
    for copy in range(25):
        file[copy * 4_000 : (copy + 1) * 4_000] = images
    return path


def peak(images: Path, model: str, originals: int, copies: int) -> float:
    """The most that the process holds at a time, mapped pages of the file included."""
    command = [sys.executable, "-c", CODE, str(images), model, str(originals), str(copies)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return float(subprocess.check_output(command, env=environment, text=True))


@pytest.mark.slow
@every_model
def test_memory_does_not_grow_with_the_number_of_copies(many: Path, model: str) -> None:
    few_copies = peak(many, model, 4_000, copies=5)
    assert peak(many, model, 4_000, copies=25) < 1.1 * few_copies


@pytest.mark.slow
@every_model
def test_memory_does_not_grow_with_the_number_of_originals(many: Path, model: str) -> None:
    few_originals = peak(many, model, 20_000, copies=1)
    assert peak(many, model, 100_000, copies=1) < 1.1 * few_originals
