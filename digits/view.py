"""The runs table of the MLflow UI, with the columns this project is about.

Left alone MLflow shows none of our params and metrics. A view (columns, their order and widths) can be kept in a tag of the
experiment, under a key that an address may name: so do MLflow's own menu Views and its links to share.
"""

import json
from typing import Any

import mlflow

TITLE = "digits"  # the view's name in the menu Views, and its key
TAG = f"mlflow.sharedViewState.{TITLE}"
# In pixels: wide enough for the name at its head.
WIDTHS = {
    "params.`train.model`": 110,
    "params.`train.features`": 140,
    "metrics.`test/accuracy`": 120,
    "metrics.`test/accuracy_low`": 150,
    "metrics.`test/accuracy_high`": 150,
    "metrics.`validation/accuracy`": 160,
    "metrics.`test/errors`": 100,
    "metrics.`cost/train_seconds`": 160,
}


def save_view(client: mlflow.MlflowClient, experiment_id: str) -> None:
    """Write the view into the experiment, unless somebody has changed it in the browser."""
    saved = client.get_experiment(experiment_id).tags.get(TAG)
    if saved != _view() and not _changed_by_hand(saved):
        client.set_experiment_tag(experiment_id, TAG, _view())


def url(host: str, experiment_id: str) -> str:
    """The address at which the UI opens with the view, and with its menu for training rather than for language models."""
    return f"{host}/#/experiments/{experiment_id}/runs?viewStateShareKey={TITLE}&workflowType=machine_learning"


def _view() -> str:
    state = {"selectedColumns": list(WIDTHS), "columnOrder": list(WIDTHS), "columnWidths": WIDTHS}
    # No clock: a time of change other than 0 then says that the browser wrote it.
    return json.dumps({"name": TITLE, "createdAt": 0, "updatedAt": 0, "state": json.dumps(state)})


def _changed_by_hand(saved: str | None) -> bool:
    try:
        view: dict[str, Any] = json.loads(saved or "{}")
        return bool(view.get("updatedAt"))
    except (ValueError, AttributeError):  # not a view: it would open as an error
        return False
