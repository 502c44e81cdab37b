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

# Each fit is in a process of its own, which is forked when all is imported.
CODE = """
import os, sys
from pathlib import Path
import numpy as np
from digits.common.arrays import open_array_file
from digits.common.resources import peak_memory
from digits.training.fit import TrainingSet, fit
from digits.training.options import FitOptions
from tests.small import new
settings = {"sgd": {}, "softmax": {"batch_size": 1_000}}
settings["mlp"] = settings["softmax"] | {"hidden_layers": [30]}

def report(model, originals, copies):
    source = np.tile(np.arange(originals, dtype=np.int32), copies)
    X = open_array_file(Path(sys.argv[1]), np.uint8, (None, 28, 28)).reshape(len(source), 28 * 28)
    data = TrainingSet(X, (source % 10).astype(np.uint8), source, originals)
    fit(new(model, epochs=1, **settings[model]), data, options=FitOptions(epochs=1))
    print(peak_memory(), flush=True)

for originals, copies in ((4_000, 5), (4_000, 25), (20_000, 1), (100_000, 1)):
    if not (child := os.fork()):
        report(sys.argv[2], originals, copies)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
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


@pytest.mark.slow
@pytest.mark.parametrize("model", BY_EPOCHS)
def test_memory_does_not_grow_with_the_number_of_copies_nor_of_originals(
    many: Path, model: str
) -> None:
    """The most that a process holds at a time, mapped pages of the file included."""
    command = [sys.executable, "-c", CODE, str(many), model]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    output = subprocess.check_output(command, env=environment, text=True)
    few_copies, many_copies, few_originals, many_originals = map(float, output.split())
    assert many_copies < 1.1 * few_copies
    assert many_originals < 1.1 * few_originals
