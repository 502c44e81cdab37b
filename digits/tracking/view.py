"""The runs table of the MLflow UI, with the columns this project is about.

Left alone MLflow shows none of our params and metrics. A view (columns, their order and widths) can
be kept in a tag of the experiment, under a key that an address may name: so do MLflow's own menu
Views and its links to share.
"""

import json
from itertools import pairwise
from typing import Any

import mlflow

TITLE = "digits"  # the view's name in the menu Views, and its key

TAG = f"mlflow.sharedViewState.{TITLE}"

RUNS = 100  # as many of the newest are looked at for params that differ
MOST = 2  # columns of params that differ, beside those that are always there

# In pixels: wide enough for the names at their heads. With a param that differs, they fit a window
# 1700 wide.
NAME = "attributes.`Run Name`"  # the column that is always there
WIDTHS = {
    "params.`train.model`": 95,
    "metrics.`test/accuracy`": 105,
    "metrics.`test/accuracy_low`": 135,
    "metrics.`test/accuracy_high`": 140,
    "metrics.`validation/accuracy`": 145,
    "metrics.`test/errors`": 90,
    "metrics.`cost/train_seconds`": 145,
}


def save_view(client: mlflow.MlflowClient, experiment_id: str) -> None:
    """Write the view into the experiment, unless somebody has changed it in the browser.

    It has the columns of `WIDTHS`, and those of the params in which the newest runs differ.
    """
    saved = client.get_experiment(experiment_id).tags.get(TAG)
    if _changed_by_hand(saved):
        return
    view = _view(_differing_params(client, experiment_id))
    if saved != view:
        client.set_experiment_tag(experiment_id, TAG, view)


def url(host: str, experiment_id: str) -> str:
    """The address at which the UI opens with the view, and with its menu for training."""
    query = f"viewStateShareKey={TITLE}&workflowType=machine_learning"
    return f"{host}/#/experiments/{experiment_id}/runs?{query}"


def _differing_params(client: mlflow.MlflowClient, experiment_id: str) -> list[str]:
    """Those that a run has otherwise than the run before it; of the newest runs first."""
    newest = client.search_runs(
        [experiment_id], order_by=["attributes.start_time DESC"], max_results=RUNS
    )
    differing = dict.fromkeys(
        name
        for after, before in pairwise(run.data.params for run in newest)
        for name in sorted(after)
        if name in before and after[name] != before[name] and column(name) not in WIDTHS
    )
    return list(differing)[:MOST]


def column(param: str) -> str:
    """The name of a param's column."""
    return f"params.`{param}`"


def _view(params: list[str]) -> str:
    model, *metrics = WIDTHS.items()
    widths = dict([model, *((column(name), 40 + 7 * len(name)) for name in params), *metrics])
    state = {
        "selectedColumns": list(widths),
        "columnOrder": [NAME, *widths],
        "columnWidths": {NAME: 170} | widths,
    }
    # No clock: a time of change other than 0 then says that the browser wrote it.
    return json.dumps({"name": TITLE, "createdAt": 0, "updatedAt": 0, "state": json.dumps(state)})


def _changed_by_hand(saved: str | None) -> bool:
    try:
        view: dict[str, Any] = json.loads(saved or "{}")
        return bool(view.get("updatedAt"))
    except (ValueError, AttributeError):  # not a view: it would open as an error
        return False
