"""The page of the bench of queue workers."""

from bench.workers import ALONE, CLUSTER, QUEUE, RUNS, page


def test_the_page_has_the_medians_and_how_many_times_as_fast() -> None:
    seconds = {
        ALONE: [80.0, 84.0, 100.0],
        QUEUE.format(2): [41.0, 42.0, 60.0],
        CLUSTER.format(1): [160.0, 168.0, 170.0],
    }
    text = page(seconds, [0.55, 0.6, 0.7] * RUNS)
    assert f"| {ALONE} | 84 | 80 to 100 | 1.00 |" in text
    assert "| `make queue`, 2 at a time | 42 | 41 to 60 | 2.00 |" in text
    assert "| `make queue` on a Dask cluster, workers: 1 | 168 | 160 to 170 | 0.50 |" in text
    assert "took 0.60 s (median before each run; 0.55 to 0.70)" in text
    assert "`fetch.dataset: digits_8x8`, `train.model: knn`" in text
