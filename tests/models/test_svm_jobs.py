"""How MatrixSVC learns its pairs of classes: on which threads, in what order, in what memory."""

import signal
import subprocess
import sys
import threading
import tracemalloc
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from digits.models import svm_pairs
from digits.models.persistence import save_model
from digits.models.svm import MatrixSVC
from tests.imports import ROOT
from tests.small import IMAGES, LABELS
from tests.svc import threads

X = IMAGES[:700] / 255
Y = LABELS[:700]


def test_threads_and_the_cache_s_size_are_not_in_the_model_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is whether the kernel matrix was computed, as from WIDE features on."""
    files = []
    for n, free, wide in [(1, 1e6, 300), (2, 1e6, 1), (4, 100.0, 300), (2, 0.0, 1)]:
        monkeypatch.setattr(svm_pairs, "free_memory", lambda free=free: free)
        monkeypatch.setattr(svm_pairs, "WIDE", wide)
        with threads(n):
            model = make_pipeline(StandardScaler(), MatrixSVC(cache_size=1000)).fit(X, Y)
        save_model(model, tmp_path / "model.skops")
        files.append((tmp_path / "model.skops").read_bytes())
    assert len(set(files)) == 1


class Watched:
    """Stands in for the job of a pair, and tells in what order, where and with what they ran."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, at_once: int = 1) -> None:
        self._fit, self._barrier = svm_pairs._fit_pair, threading.Barrier(at_once)
        self.pairs: list[tuple[int, int]] = []
        self.threads: set[int] = set()
        self.caches: set[float] = set()
        monkeypatch.setattr(svm_pairs, "_fit_pair", self)

    def __call__(self, *arguments: Any) -> Any:
        self._barrier.wait(timeout=60)  # until so many run at once
        self.pairs.append(arguments[4])
        self.threads.add(threading.get_ident())
        self.caches.add(arguments[5]["cache_size"])
        return self._fit(*arguments)


def test_pairs_run_side_by_side_on_so_many_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched(monkeypatch, at_once=2)
    with threads(2):
        MatrixSVC().fit(X, Y % 4)
    assert len(watched.pairs) == 6 and len(watched.threads) == 2


def test_on_one_thread_unless_joblib_is_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched(monkeypatch)
    MatrixSVC().fit(X, Y)
    assert watched.threads == {threading.get_ident()}


def test_within_jobs_of_others_it_starts_no_threads_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    watched = Watched(monkeypatch)
    with threads(2):
        joblib.Parallel()(joblib.delayed(MatrixSVC().fit)(X, Y) for _ in range(6))
    assert len(watched.pairs) == 6 * 45 and len(watched.threads) <= 2


def test_the_largest_pairs_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched(monkeypatch)
    MatrixSVC().fit(X[:200], np.repeat([0, 1, 2], [50, 120, 30]))
    assert watched.pairs == [(0, 1), (1, 2), (0, 2)]


@pytest.mark.parametrize(
    ("labels", "n", "each", "expected"),
    [
        (Y, 1, 1e6, 1000),
        (Y, 4, 1e6, 1000),
        (Y, 4, 100, 100),
        (Y, 1, 400, 400),
        (Y, 4, 0, 1),
        (Y == 5, 4, 100, 100),
    ],
)
def test_rows_and_caches_take_no_more_than_half_of_the_free_memory(
    monkeypatch: pytest.MonkeyPatch, labels: NDArray, n: int, each: float, expected: float
) -> None:
    """Beside the rows of each pair at work, `each` MiB are left for its cache."""
    watched = Watched(monkeypatch)
    n_rows = np.unique(labels, return_counts=True)[1]
    copied = sum(sorted(n_rows)[-2:]) * X[0].nbytes / 2**20 if len(n_rows) > 2 else 0
    at_once = n if len(n_rows) > 2 else 1
    monkeypatch.setattr(svm_pairs, "free_memory", lambda: 2 * at_once * (each + copied))
    with threads(n):
        MatrixSVC(cache_size=1000).fit(X, labels)
    assert watched.caches == {expected}


@pytest.mark.parametrize(
    ("labels", "n", "most"),
    [(Y, 2, 0.7), (Y, 4, 1.0), (Y == 5, 2, 0.7)],
    ids=["2 of 45 pairs", "4 of 45 pairs", "the only pair"],
)
def test_images_are_copied_of_the_pairs_at_work_alone(labels: NDArray, n: int, most: float) -> None:
    """Each of 45 pairs has a fifth of the images; the only pair's are not copied."""
    many = np.repeat(X, 20, axis=0)
    y = np.repeat(labels, 20)
    tracemalloc.start()
    with threads(n):
        MatrixSVC(gamma=0.1).fit(many, y)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < most * many.nbytes, peak


def test_ctrl_c_ends_it_at_once() -> None:
    code = """
import joblib, numpy as np
from digits.models.svm import MatrixSVC
generator = np.random.default_rng(0)
X, y = generator.normal(size=(24_000, 20)), generator.integers(0, 3, 24_000)
print("begins", flush=True)
with joblib.parallel_config(backend="threading", n_jobs=2):
    MatrixSVC(C=1e6, kernel="linear").fit(X, y)
"""
    with subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout and process.stdout.readline() == "begins\n"
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(1)
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=20)
        finally:
            process.kill()
    assert process.returncode == -signal.SIGINT
    assert errors.rstrip().endswith("KeyboardInterrupt")
