"""`make queue`: a grid of experiments, worked off by several workers that share the cores."""

import pytest

from digits.errors import BadInput
from digits.machine import threads
from digits.workers import number_of
from tests.scratch import Project, assert_complete


@pytest.mark.parametrize("jobs", ["0", "-1", "two", ""])
def test_a_number_of_workers_that_is_none(jobs: str) -> None:
    with pytest.raises(BadInput, match=r"JOBS is .*, allowed is a whole number from 1"):
        number_of(jobs)


def test_a_grid_is_worked_off_and_what_fails_is_named(project: Project) -> None:
    seen = project.home / "threads"
    with (project.path / "stages" / "train.py").open("a", encoding="utf-8") as file:
        file.write(f"\n    import os\n\n    open({str(seen)!r}, 'a').write(os.environ['DIGITS_THREADS'] + ' ')\n")
    project.commit("says on how many threads it works")
    assert project.run("python", "-m", "digits.workers") == ""
    project.dvc("exp", "run", "--queue", "-S", "models.knn.n_neighbors=1,2")
    project.dvc("exp", "run", "--queue", "-n", "bad", "-S", "models.knn.n_neighbors=9000")
    said = project.run("python", "-m", "digits.workers", "2", fails=True)
    assert "bad failed: `dvc queue logs NAME` says why." in said
    assert sorted(run.data.params["models.knn.n_neighbors"] for run in project.runs() if run.info.status == "FINISHED") == [
        "1",
        "2",
    ]
    for run in project.runs():
        if run.info.status == "FINISHED":
            assert_complete(run, project)
    assert set(seen.read_text(encoding="utf-8").split()) == {str(max(threads() // 2, 1))}
    project.dvc("queue", "stop", "--kill")
