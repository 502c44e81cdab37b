"""The page and the picture of errors against seconds, and the table of what is measured."""

import json
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from bench import frontier as bench
from bench.frontier import forget, is_measured, read_lines
from bench.frontier_page import Row, best_of, frontier, page, rows_of
from bench.ways import OURS, STOCK, WAYS, measure_ours, measure_stock, params_of
from digits.experiments.git import ROOT
from digits.params.schema import read_params
from tests.figures import assert_can_be_read, assert_small_and_the_same_again

# Of a full run, by way: seconds of training and errors.
MEASURED = {
    "forest": (9, 310), "mlp-300-100": (24, 190), "knn": (0.1, 280), "knn-shifts": (1.2, 230),
    "knn-deskewed": (1.1, 140), "gradients": (7, 48), "champion": (28, 44), "scattering": (25, 60),
    "two gradients": (14, 42), "two champions": (50, 40),
    "committee": (140, 43), "SVC": (180, 160), "HistGradientBoosting": (400, 200),
    "KNeighbors": (0.02, 280), "Keras": (143, 63), "Keras, augmented": (689, 45),
    "notebook": (40, 235),
}  # fmt: skip
CURVES = {
    "Keras": [
        (18.0 * n, errors) for n, errors in enumerate((159, 127, 106, 84, 82, 67, 65, 63), 1)
    ],
    "Keras, augmented": [(34.5 * n, 45 + 90 / n) for n in range(1, 21)],
}


def test_the_committed_page_is_that_of_the_committed_measurements() -> None:
    rows = rows_of(read_lines(bench.MEASURED))
    assert page(rows) == (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")


def line_of(name: str, seconds: float, errors: float) -> dict:
    line = {
        "way": name, "seconds": seconds, "scoring_seconds": 1.0, "errors": errors, "cores": 2,
        "memory_mib": 500.0, "software": "scikit-learn 1.9.1", "loop_seconds": 0.55,
        "images": 50_000, "processor": "a processor",
    }  # fmt: skip
    return line | ({"curve": CURVES[name]} if name in CURVES else {})


def rows() -> list[Row]:
    return rows_of([line_of(name, *values) for name, values in MEASURED.items()])


def draw() -> Figure:
    return frontier(rows())


def test_every_way_has_its_name_in_the_picture_and_no_text_lies_on_another() -> None:
    assert MEASURED.keys() == WAYS.keys()
    assert {text.get_text() for text in draw().axes[0].texts} == set(WAYS)
    assert_can_be_read(draw)


def test_the_file_is_small_and_the_same_again(tmp_path: Path) -> None:
    assert_small_and_the_same_again(draw, tmp_path)


def test_the_page_has_medians_their_spread_and_what_was_left_out() -> None:
    runs = [line_of("forest", seconds, 310) for seconds in (12.0, 9.0, 10.0)]
    text = page(rows_of([*runs, line_of("Keras", 143, 63)]))
    assert "| forest | 100 trees on the pixels | 310 | 10 (9.0 to 12) | 3 | 1.0 | 500 |" in text
    assert "| 8 | 144.0 | 63 |" in text
    assert "Not measured: mlp-300-100, " in text


def test_the_frontier_has_only_what_no_quicker_way_equals() -> None:
    assert best_of(rows_of([line_of("knn", 1, 90), line_of("forest", 2, 95)])) == [(1, 90)]


def test_a_stopped_bench_goes_on_after_the_last_whole_line(tmp_path: Path) -> None:
    whole = json.dumps(line_of("forest", 9, 310))
    (tmp_path / "lines").write_text(f'\n{whole}\n{{"way": "kn\n{whole}')
    lines = read_lines(tmp_path / "lines")
    assert len(lines) == 2
    assert not is_measured(lines, "forest")  # of three
    assert not is_measured(lines, "knn")
    assert is_measured([*lines, line_of("SVC", 180, 160)], "SVC")  # takes long: once


def test_a_bench_of_some_ways_keeps_the_lines_of_the_others(tmp_path: Path) -> None:
    file = tmp_path / "lines"
    file.write_text("\n".join(json.dumps(line_of(name, 9, 310)) for name in ("knn", "forest")))
    forget(file, ["forest"])
    assert [line["way"] for line in read_lines(file)] == ["knn"]


@pytest.mark.parametrize("name", [name for name, way in WAYS.items() if way.group == OURS])
def test_the_settings_of_this_pipeline_are_valid(name: str) -> None:
    assert params_of(name).target == "digit"


def test_the_default_is_that_of_params_yaml() -> None:
    ours, default = params_of("champion").effective(), read_params(ROOT / "params.yaml").effective()
    for section in ("augment", "models"):
        assert ours[section] == default[section]
    same = ours["train"] | {"validate": default["train"]["validate"]}
    assert same == default["train"]


@pytest.mark.slow
def test_classifiers_of_scikit_learn_and_the_pipeline_learn_and_are_scored(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(120, dtype=np.uint8) % 10
    images = rng.integers(0, 50, (120, 28, 28)).astype(np.uint8)
    images[np.arange(120), labels] = 255  # a row of ink tells the digit
    arrays = {"images": images, "labels": labels, "fold": (np.arange(120) // 20).astype(np.int8)}
    for name, array in arrays.items():
        np.save(tmp_path / f"{name}.npy", array)
    stock = [way for way in WAYS.values() if way.group == STOCK]
    results = [measure_stock(way, tmp_path) for way in stock]
    results.append(measure_ours(params_of("knn-shifts"), tmp_path))
    for result in results:
        assert 0 < result["seconds"] < 60
        assert 0 <= result["errors"] <= 20
    assert results[-2]["errors"] == 0  # of neighbours
