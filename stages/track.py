"""models/, metrics/, plots/ -> the experiment's run in MLflow, and .mlflow/tracked, its key.

The out is git-ignored and `cache: false`. That keeps this stage out of DVC's run cache, so that
after a restored result, in a clone and with a wiped store this stage runs, and it alone.
"""

import logging
from pathlib import Path

from digits.common.files import file_sha256, read_csv, read_json
from digits.common.garbage import without_garbage
from digits.experiments.lock import check_files
from digits.experiments.provenance import git_refusal, locked_hashes, uncommitted_patch
from digits.metrics.tables import read_metrics
from digits.params.datasets import find_source
from digits.params.schema import Params
from digits.tracking.lookup import evaluation_key, has_complete_run, result_key, store_folder
from stages.runner.process import rerun_next_time
from stages.runner.stage import Stage

log = logging.getLogger(__name__)
TRACKED = ".mlflow/tracked"


def track(params: Params, stage: Stage) -> None:
    """Find the run that `train` began, or make it from the files; complete it."""
    check_files(Path())
    model = Path("models/model.skops")
    key = result_key(params.effective(), file_sha256(model))
    stage.out(TRACKED).write_text(key + "\n", encoding="utf-8", newline="\n")
    store = store_folder(stage.repository)
    curves = [Path("models/history.csv"), Path("models/learning_curve.csv")]
    metrics = [Path("metrics/validation.json"), Path("metrics/test.json")]
    tables, pictures = sorted(Path("plots").glob("*.csv")), sorted(Path("plots/pictures").iterdir())
    evaluation = evaluation_key([*metrics, *tables, *pictures])
    if has_complete_run(store, key, evaluation):
        return
    with without_garbage():  # two seconds of imports that a restored result need not wait for
        from digits.tracking.completion import Result, complete_run

    if refusal := git_refusal():
        log.warning("no commit is known, so that the run cannot be restored: %s", refusal)
    result = Result(
        key=key,
        evaluation=evaluation,
        params=params.effective(),
        metrics={file.stem: read_metrics(Path(), file.stem) for file in metrics},
        curves={curve.stem: read_csv(curve) for curve in curves},
        files={
            "plots": [*tables, *curves],
            "pictures": pictures,
            "metrics": metrics,
            "validation": [*Path("models/validation").glob("*.npy")],
            "project": [Path("params.yaml"), Path("dvc.lock"), Path("models/versions.json")],
        },
        texts={"project/uncommitted.diff": patch} if (patch := uncommitted_patch()) else {},
        dataset=_describe_dataset(params.fetch.dataset, read_json(Path("data/raw/about.json"))),
        tags=locked_hashes(Path("dvc.lock")),
        model=model,
        code=Path("digits"),
    )
    if not complete_run(store, result):
        rerun_next_time(TRACKED)


def _describe_dataset(dataset: str, about: dict[str, str]) -> tuple[str, str, str]:
    """Return the data set's name, its SHA-256 without extra pictures, and its URL or path."""
    found = find_source(dataset)
    origin = (found[0].origin or found[1]) if found else dataset
    return dataset, about.get("sha256_without_extra", about["sha256"]), origin
