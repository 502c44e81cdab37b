"""A training by epochs that was killed and went on: what MLflow must have of it."""

from mlflow.entities import Run

from tests.scratch import Project

LOSS = "history/training_loss"
SECONDS = "history/seconds"


def curve(project: Project, run: Run, metric: str) -> dict[int, float]:
    """A logged metric by epoch."""
    points = project.client().get_metric_history(run.info.run_id, metric)
    assert len({point.step for point in points}) == len(points), "no epoch is logged twice"
    return {point.step: point.value for point in points}


def assert_went_on(project: Project, never_killed: Project, epochs: int) -> None:
    """A killed training went on from its last epoch, to what one came to that was not killed."""
    assert not list((project.path / ".checkpoints").iterdir())
    finished, killed = sorted(project.runs(), key=lambda run: run.info.status)
    assert (finished.info.status, killed.info.status) == ("FINISHED", "KILLED")
    before, after = curve(project, killed, SECONDS), curve(project, finished, SECONDS)
    assert set(after) == set(range(1, epochs + 1)), "the run that came to its end has all epochs"
    both = [epoch for epoch in before if epoch in after]
    assert len(both) >= 3
    # An epoch that was learned again would have taken another time.
    assert sum(before[epoch] == after[epoch] for epoch in both) >= len(both) - 1
    (uninterrupted,) = (run for run in never_killed.runs() if LOSS in run.data.metrics)
    assert curve(never_killed, uninterrupted, LOSS) == curve(project, finished, LOSS)
