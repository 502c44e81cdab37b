"""Images cost disk and time, not memory: real stages with 80,000 to 520,000 images of MNIST's size.

What a process held at most is read from the system, with the pages of mapped files. Of time the
processor seconds are taken, as another process on the same cores lengthens them by less.
"""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from bench.growth import SETTINGS, run_stage, write_params
from bench.growth_page import exponent
from digits.data.dataset import DataSet, save_raw
from tests.scratch import Project, replace_once
from tests.small import IMAGES, LABELS

pytestmark = [
    pytest.mark.growth,
    pytest.mark.skipif(
        sys.platform != "linux",
        reason="only Linux tells in /proc what a process holds in memory at most",
    ),
]

Cost = dict[str, dict[str, float]]  # by stage and measure

ORIGINALS = 40_000
COPIES = (1, 4, 12)
TEST_IMAGES = 1_000
FOLDS = 2  # of which one is held out
STAGES = ("augment", "train")
FLAT = 1.1  # times the memory that the fewest images take
SCORED = 500  # bytes for each image held out, of which the scores stay in memory
# An algorithm that is linear has 1; seconds that are lost to the start are not in it, but that
# takes some tenths of a second more or less from run to run, a tenth of what the fewest cost.
LINEAR = 1.05 + 0.1
STARTS = 3  # now and then it takes two seconds more: of so many runs the one with the least counts
every_stage = pytest.mark.parametrize("stage", STAGES)


def write_raw(project: Path, originals: int) -> None:
    """Write scikit-learn's small digits, enlarged to 28 x 28 pixels, over and over."""
    large = np.kron(IMAGES.reshape(-1, 8, 8), np.ones((1, 3, 3), np.uint8))
    rows = np.arange(originals + TEST_IMAGES) % len(large)
    images = np.pad(large, ((0, 0), (2, 2), (2, 2)))[rows]
    shutil.rmtree(project / "data" / "raw", ignore_errors=True)
    (project / "data" / "raw").mkdir()
    save_raw(DataSet(images, LABELS[rows], originals), project / "data" / "raw")
    run_stage(project, "split")


def measure(project: Path, copies: int, epochs: int = 1) -> Cost:
    write_params(project, {"augment.elastic.copies": copies, "models.softmax.epochs": epochs})
    return {stage: run_stage(project, stage, DIGITS_THREADS="2") for stage in STAGES}


@pytest.fixture(scope="module")
def project(fresh: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of the project, set to learn by epochs; its images are deleted at the end."""
    path = fresh.copy(tmp_path_factory.mktemp("growth") / "digits").path
    write_params(path, SETTINGS | {"split.folds": FOLDS})
    write_raw(path, 500)
    measure(path, copies=0)  # makes the MLflow store
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def start(project: Path) -> dict[str, float]:
    """Processor seconds with so few images that nearly all is the time to start."""
    write_raw(project, 500)
    costs = [measure(project, copies=0) for _ in range(STARTS)]
    return {stage: min(cost[stage]["processor_seconds"] for cost in costs) for stage in STAGES}


@pytest.fixture(scope="module")
def by_copies(project: Path) -> list[Cost]:
    """More and more copies of each image."""
    write_raw(project, ORIGINALS)
    return [measure(project, copies, epochs=3) for copies in COPIES]


@pytest.fixture(scope="module")
def by_originals(project: Path) -> list[Cost]:
    """As many images, but all of them originals."""
    costs = []
    for copies in (COPIES[0], COPIES[-1]):
        write_raw(project, ORIGINALS * (1 + copies))
        costs.append(measure(project, copies=0))
    return costs


def growth_of(costs: list[Cost], stage: str) -> float:
    memory = [cost[stage]["memory_mib"] for cost in costs]
    return max(memory) / memory[0]


@every_stage
def test_memory_stays_with_more_copies(by_copies: list[Cost], stage: str) -> None:
    assert growth_of(by_copies, stage) < FLAT, by_copies


@every_stage
def test_time_grows_as_the_images_do(
    by_copies: list[Cost], start: dict[str, float], stage: str
) -> None:
    # To copy an original as it is costs next to nothing.
    images = [copies + (stage == "train") for copies in COPIES]
    seconds = [cost[stage]["processor_seconds"] - start[stage] for cost in by_copies]
    assert exponent(images, seconds) < LINEAR, (seconds, start)


def test_originals_take_no_more_memory_than_as_many_copies(
    by_copies: list[Cost], by_originals: list[Cost]
) -> None:
    """Of `augment`, which need not even distort them.

    Few originals and many are not compared: of the few it holds so little that what the system
    keeps of chunks that are done with, some MiB more or less, is a tenth of it.
    """
    copies, originals = by_copies[-1]["augment"], by_originals[-1]["augment"]
    assert originals["memory_mib"] < FLAT * copies["memory_mib"], (copies, originals)


def test_memory_of_train_grows_with_more_originals_by_scores(by_originals: list[Cost]) -> None:
    few, many = (cost["train"]["memory_mib"] for cost in by_originals)
    more = ORIGINALS * (COPIES[-1] - COPIES[0]) / FOLDS
    assert many < FLAT * few + more * SCORED / 2**20, by_originals


def test_a_stage_that_holds_all_images_is_found(project: Path, by_copies: list[Cost]) -> None:
    """Were all images in memory at once, if only as bytes, the tests above would fail."""
    replace_once(
        project / "stages" / "augment.py",
        'write_chunks(augmented / "images.npy", images, n)',
        'np.save(augmented / "images.npy", np.concatenate(list(images)))',
    )
    replace_once(
        project / "stages" / "train.py",
        "    pipeline_options = ",
        "    from dataclasses import replace\n"
        "    data = replace(data, X=data.read(np.arange(len(data.y))))\n"
        "    pipeline_options = ",
    )
    write_raw(project, ORIGINALS)
    held = measure(project, COPIES[-1])
    for stage in STAGES:
        assert growth_of([by_copies[0], held], stage) > 1 + 3 * (FLAT - 1), held


def test_the_bench_writes_its_page_and_picture(newcomer: Project, tmp_path: Path) -> None:
    """It measures the last commit, on scikit-learn's small digits."""
    command = ["-m", "bench.growth", "--dataset", "digits_8x8", "--copies", "1", "3", "--runs", "1"]
    newcomer.run(sys.executable, *command, "--out", str(tmp_path))
    text = (tmp_path / "benchmarks_growth.md").read_text(encoding="utf-8")
    assert "| stage | 1,496 images | 2,992 images | exponent |" in text
    assert (tmp_path / "growth.png").stat().st_size > 1_000
    assert not [*(newcomer.path / ".bench").glob("tmp*")]
