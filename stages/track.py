"""models/, metrics/, plots/ -> the experiment's one run in MLflow, and .mlflow/tracked, the key by which it is found.

The out is git-ignored and `cache: false`: that keeps this stage out of DVC's run cache, so a restored result, a clone and a wiped
store run it, and it alone.
"""

from pathlib import Path

from digits.files import file_sha256, read_json
from digits.params import Params
from digits.store import has_complete_run, result_key
from stages.harness import Outs, run, store


def track(params: Params, outs: Outs) -> None:
    model = Path("models/model.skops")
    key = result_key(params.that_matter(), file_sha256(model))
    if not has_complete_run(store(), key):
        from digits.tracking import complete_run  # two seconds that a restored result need not wait for

        complete_run(
            store(), key, params.that_matter(),
            metrics={name: read_json(Path(f"metrics/{name}.json")) for name in ("validation", "test")},
            files={
                "plots": [*Path("plots").glob("*.csv"), Path("models/learning_curve.csv"), Path("models/train_sizes.csv")],
                "pictures": [*Path("plots/pictures").iterdir()],
                "project": [Path("params.yaml")],
            },
            model=model, code=Path("digits"),
        )  # fmt: skip
    outs(".mlflow/tracked").write_text(key + "\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    run("track", track)
