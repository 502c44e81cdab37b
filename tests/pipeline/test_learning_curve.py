"""The learning curve of the stage `train`, as it is written, drawn and logged."""

import csv
from collections.abc import Callable

import mlflow
import pytest

from tests.scratch import Project


@pytest.mark.slow
def test_the_curve_is_drawn_and_logged_and_the_model_stays_the_same(
    reproduced: Callable[..., Project], uncommitted: Project
) -> None:
    names = ("model.skops", "learning_curve.csv")
    before = {name: (reproduced().path / "models" / name).read_bytes() for name in names}
    assert before["learning_curve.csv"] == b"train_size,n,accuracy,low,high\n"
    assert not (reproduced().path / "plots" / "pictures" / "learning_curve.png").exists()

    project = uncommitted
    output = (project.path / ".git" / "output.txt").read_text(encoding="utf-8")
    assert (project.path / "models" / "model.skops").read_bytes() == before["model.skops"]
    file = project.path / "models" / "learning_curve.csv"
    picture = project.path / "plots" / "pictures" / "learning_curve.png"
    with file.open(encoding="utf-8", newline="") as rows_of_file:
        rows = list(csv.DictReader(rows_of_file))
    validation = project.json("metrics/validation.json")
    learn = round(validation["n"] * 2)
    assert [int(row["train_size"]) for row in rows] == [
        round(share * learn) for share in (0.1, 0.5, 1.0)
    ]
    for name in ("accuracy", "low", "high"):
        of_validation = validation["accuracy" if name == "accuracy" else f"accuracy_{name}"]
        assert float(rows[-1][name]) == pytest.approx(of_validation, abs=1e-9)
    assert {int(row["n"]) for row in rows} == {validation["n"]}
    assert picture.stat().st_size > 5_000
    assert f"{rows[0]['train_size']} images: accuracy {float(rows[0]['accuracy']):.4f} (" in output
    plots = project.dvc("plots", "show", "--json")
    assert "Accuracy on validation by number of training images" in plots

    (run,) = project.runs()
    client = mlflow.MlflowClient(f"sqlite:///{project.store / 'mlflow.db'}")
    for name in ("accuracy", "low", "high"):
        points = client.get_metric_history(run.info.run_id, f"learning_curve/{name}")
        assert [(point.step, point.value) for point in points] == [
            (int(row["train_size"]), float(row[name])) for row in rows
        ]
    logged = {
        item.path
        for folder in ("plots", "pictures")
        for item in client.list_artifacts(run.info.run_id, folder)
    }
    assert {"plots/learning_curve.csv", "pictures/learning_curve.png"} <= logged

    project.edit(train__train_sizes=[0.0001])
    assert "train: train.train_sizes: 0.0001 of" in project.dvc("repro", fails=True)
    project.edit(train__train_sizes=[0.1], train__clusters=200)
    assert "train.clusters is 200, allowed is at most" in project.dvc("repro", fails=True)
