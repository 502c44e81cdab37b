"""models/, metrics/, plots/ -> the experiment's one run in MLflow, and .mlflow/tracked, the key by which it is found.

The out is git-ignored and `cache: false`: that keeps this stage out of DVC's run cache, so a restored result, a clone and a wiped
store run it, and it alone.
"""

from pathlib import Path

from digits.common.files import file_sha256, read_csv, read_json
from digits.data.dataset import ORIGINS
from digits.experiments.provenance import locked, uncommitted
from digits.params.schema import Params
from digits.tracking.lookup import evaluation_key, has_complete_run, result_key, store_folder
from stages.harness import Outs, repository, run
from stages.process import run_again

TRACKED = ".mlflow/tracked"


def track(params: Params, outs: Outs) -> None:
    model = Path("models/model.skops")
    key = result_key(params.effective(), file_sha256(model))
    outs(TRACKED).write_text(key + "\n", encoding="utf-8", newline="\n")
    store = store_folder(repository())
    curves = [Path("models/learning_curve.csv"), Path("models/train_sizes.csv")]
    metrics = [Path("metrics/validation.json"), Path("metrics/test.json")]
    tables, pictures = sorted(Path("plots").glob("*.csv")), sorted(Path("plots/pictures").iterdir())
    evaluation = evaluation_key([*metrics, *tables, *pictures])
    if has_complete_run(store, key, evaluation):
        return
    from digits.tracking.completion import Result, complete_run

    name = params.fetch.dataset
    result = Result(
        key, evaluation, params.effective(),
        metrics={file.stem: read_json(file) for file in metrics},
        curves={curve.stem: read_csv(curve) for curve in curves},
        files={
            "plots": [*tables, *curves],
            "pictures": pictures,
            "metrics": metrics,
            "validation": [*Path("models/validation").glob("*.npy")],
            "project": [Path("params.yaml"), Path("dvc.lock")],
        },
        texts={"project/uncommitted.diff": patch} if (patch := uncommitted()) else {},
        dataset=(name, read_json(Path("data/raw/about.json"))["sha256"], ORIGINS.get(name, name.removeprefix("idx:"))),
        tags=locked(Path("dvc.lock")), model=model, code=Path("digits"),
    )  # fmt: skip
    if not complete_run(store, result):
        run_again(TRACKED)


if __name__ == "__main__":
    run("track", track)
