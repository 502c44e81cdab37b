"""The page and the picture of growth, and which runs are still to be measured."""

import json
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from bench.frontier import read_lines
from bench.growth import COPIES, MEASURED, SETTINGS, STAGES, missing_runs
from bench.growth_page import STYLES, exponent, growth, page
from digits.experiments.git import ROOT
from digits.params.nested import flatten
from digits.params.schema import read_params
from tests.figures import assert_can_be_read, assert_small_and_the_same_again


def lines_of(copies: int, slower: float = 1.0) -> list[dict]:
    """Of one run of all stages; `train` has 3 seconds to start."""
    times = 1 + copies
    seconds = {"augment": 0.5 + 4.0 * copies, "train": 3 + 2.0 * times, "evaluate": 5.0}
    disk = {"augment": 22.5 * times, "train": 0.5, "evaluate": 1.0}
    return [
        {
            "stage": stage, "copies": copies, "rows": 30_000 * times, "dataset": "mnist_784",
            "seconds": slower * seconds[stage], "processor_seconds": 1.5 * seconds[stage],
            "memory_mib": 200.0, "disk_mib": disk[stage], "loop_seconds": 0.55, "cores": 2,
            "processor": "a processor",
        }
        for stage in STAGES
    ]  # fmt: skip


LINES = [line for copies in COPIES for line in lines_of(copies)]


def test_the_committed_page_is_that_of_the_committed_measurements() -> None:
    committed = (ROOT / "docs" / "benchmarks_growth.md").read_text(encoding="utf-8")
    assert page(read_lines(MEASURED)) == committed


def draw() -> Figure:
    return growth(LINES)


def test_all_texts_are_whole_and_apart() -> None:
    assert_can_be_read(draw)


def test_the_file_is_small_and_the_same_again(tmp_path: Path) -> None:
    assert_small_and_the_same_again(draw, tmp_path)


@pytest.mark.parametrize("power", [0, 0.5, 1, 2])
def test_the_exponent_is_that_of_the_power_law(power: float) -> None:
    assert exponent([1, 5, 25], [3 * n**power for n in (1, 5, 25)]) == pytest.approx(power)


def test_the_page_has_the_medians_and_the_exponents() -> None:
    assert STYLES.keys() == STAGES.keys()
    others = [line for slower in (1.5, 9.0) for line in lines_of(1, slower)]
    text = page(LINES + others)
    assert "| stage | 60,000 images | 300,000 images | 1,500,000 images | exponent |" in text
    assert "| train | 10.5 | 23.0 | 103 | 0.71 |" in text  # of 7, 10.5 and 63 seconds
    assert "| augment | 6.8 | 36.5 | 196 | 0.86 |" in text  # by copies: 1, 9 and 49
    assert "| evaluate | 1.0 | 1.0 | 1.0 | 0.00 |" in text
    assert "Medians of 3 runs on 2 cores of a processor" in text


def test_a_try_of_one_size_has_no_exponent() -> None:
    assert "| augment | 4.5 |  |" in page(lines_of(1))
    assert growth(lines_of(1)).axes


def test_a_stopped_bench_goes_on_with_the_runs_that_are_missing(tmp_path: Path) -> None:
    whole = [json.dumps(line) for line in lines_of(1)]
    (tmp_path / "lines").write_text("\n".join([*whole, whole[0], whole[1][:20]]))
    assert missing_runs(read_lines(tmp_path / "lines"), [1, 4], runs=2) == [4, 1, 4]
    assert missing_runs([*LINES, *LINES], COPIES, runs=2) == []


def test_the_settings_are_params() -> None:
    params = flatten(read_params(ROOT / "params.yaml").model_dump(by_alias=True))
    assert params.keys() >= SETTINGS.keys()
