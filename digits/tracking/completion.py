"""A result's one complete run in MLflow: found if `train` began it, else rebuilt from the files."""

import json
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import mlflow
import numpy as np
from mlflow.entities import Dataset, DatasetInput, InputTag, Run
from mlflow.models import ModelSignature
from mlflow.types import Schema, TensorSpec
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from digits.common.arrays import open_array
from digits.common.environment import HTTP_TIMEOUT
from digits.common.files import read_json
from digits.experiments.provenance import current_experiment, describe_source, run_name
from digits.models.persistence import TRUSTED, load_model
from digits.tracking.lookup import COMPLETE, KEY, database, server
from digits.tracking.store import Store, one_line, open_store, sqlite_uri, unfinished_run_file

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Result:
    """All that a run shows of one experiment.

    `key` names it (store.result_key), `evaluation` what was measured of it (store.evaluation_key); `params` are those that matter,
    nested; `metrics` by prefix ("validation", "test"); `curves` by prefix, rows whose first column is the step; `files` by artifact
    folder, `texts` by artifact path; `dataset` its name, its SHA-256 and its URL or path; `tags` more of them; `model` the file
    that `save_model` wrote, beside it example.npy, (1, pixels) of an image that it learned from; `code` the folder it needs.
    """

    key: str
    evaluation: str
    params: Mapping[str, Any]
    metrics: Mapping[str, Mapping[str, Any]]
    curves: Mapping[str, Sequence[Mapping[str, float]]]
    files: Mapping[str, Sequence[Path]]
    texts: Mapping[str, str]
    dataset: tuple[str, str, str]
    tags: Mapping[str, str]
    model: Path
    code: Path


def complete_run(folder: Path, result: Result) -> bool:
    """See to it that a result has one complete run; whether that is where it should be, and not in the embedded store instead.

    Parameters: `folder` of the embedded store. Raises BadInput as `Store`.
    """
    store = open_store(folder)
    try:
        run = _completed(store, result)
    except (mlflow.MlflowException, OSError) as error:
        if not server() or store.is_fallback:
            raise
        log.warning(
            "the MLflow server failed (%s): the run goes to %s instead",
            one_line(error),
            store.folder,
        )
        store = Store(folder, embedded=True)
        run = _completed(store, result)
    log.info(
        "run %s is complete: `%s` brings its workspace back",
        run.info.run_name,
        restore_command(run.info.run_id),
    )
    return not store.is_fallback


def _completed(store: Store, result: Result) -> Run:
    with store.locked(), _time_to_upload():
        store.sweep()
        run = _find(store, result) or store.client.get_run(
            store.create_run(result.params, {KEY: result.key})
        )
        if COMPLETE not in run.data.tags:
            _complete(store, run, result)
        if not store.is_fallback:
            unfinished_run_file(store.folder, result.key).unlink(missing_ok=True)
    return run


@contextmanager
def _time_to_upload() -> Iterator[None]:
    """A server that has answered may take longer with a large file than one that is down is given; but not than a person said."""
    limit = "MLFLOW_HTTP_REQUEST_TIMEOUT"
    if os.environ[limit] != HTTP_TIMEOUT:
        yield
        return
    os.environ[limit] = "120"
    try:
        yield
    finally:
        os.environ[limit] = HTTP_TIMEOUT


def restore_command(run_id: str) -> str:
    """The command that brings a run's code, params and results back into the workspace."""
    return f"python -m digits restore {run_id}"


def _find(store: Store, result: Result) -> Run | None:
    """The run of a result, measured so or not yet; also one that `train` could not mark any more, as the server had gone."""
    key = result.key
    found = {run.data.tags.get(COMPLETE): run for run in store.runs(f"tags.{KEY} = '{key}'")}
    if run := found.get(result.evaluation) or found.get(None):
        return run
    note = unfinished_run_file(store.folder, key)
    if note.exists() and (begun := read_json(note))["uri"] == store.uri:
        with suppress(mlflow.MlflowException):  # it was deleted
            store.client.set_tag(begun["run_id"], KEY, key)
            return store.client.get_run(begun["run_id"])
    return None


def _complete(store: Store, run: Run, result: Result) -> None:
    """Add what a run lacks, and last the tag that says so."""
    run_id = run.info.run_id
    _name_again(store, run)
    for prefix, values in result.metrics.items():
        store.log_metrics(
            run_id,
            {k: v for k, v in values.items() if run.data.metrics.get(f"{prefix}/{k}") != v},
            prefix,
        )
    if "cost/train_seconds" not in run.data.metrics:
        store.log_metrics(run_id, _cost(store, result.key), "cost")
    for prefix, rows in result.curves.items():
        _log_curve(store, run_id, prefix, rows)
    for folder_name, paths in result.files.items():
        for path in paths:
            store.client.log_artifact(run_id, path, folder_name)
    with TemporaryDirectory() as temporary:
        for name, text in result.texts.items():
            file = Path(temporary) / Path(name).name
            file.write_bytes(
                text.encode(errors="surrogateescape")
            )  # `log_text` takes no patch of files that are not UTF-8
            store.client.log_artifact(run_id, file, str(Path(name).parent))
    store.client.log_inputs(run_id, [_dataset(*result.dataset)])
    _log_model(run_id, result)
    note = f"Bring its workspace back: `{restore_command(run_id)}`"
    for tag, value in {
        **result.tags,
        "mlflow.note.content": note,
        COMPLETE: result.evaluation,
    }.items():
        store.client.set_tag(run_id, tag, value)
    store.client.set_terminated(run_id, "FINISHED")


def _name_again(store: Store, run: Run) -> None:
    """Name run and source as they are now: what did not go into the training may have been edited or committed since it began."""
    experiment = current_experiment()
    source = describe_source(experiment)
    store.client.update_run(run.info.run_id, name=run_name(experiment))
    for outdated in {"dvc.experiment", "params_sha256"} & run.data.tags.keys() - source.keys():
        store.client.delete_tag(run.info.run_id, outdated)
    for tag, value in source.items():
        store.client.set_tag(run.info.run_id, tag, value)


def _log_curve(store: Store, run_id: str, prefix: str, rows: Sequence[Mapping[str, float]]) -> None:
    """Log the points of a curve that `train` did not log live; the first column of each row is its step."""
    if not rows:
        return
    step, *names = rows[0]
    there = {
        point.step for point in store.client.get_metric_history(run_id, f"{prefix}/{names[0]}")
    }
    for row in rows:
        if row[step] not in there:
            store.log_metrics(run_id, {name: row[name] for name in names}, prefix, int(row[step]))


def _cost(store: Store, key: str) -> Mapping[str, float]:
    """What training cost, if it took place while this store did not answer, or for an earlier run, measured otherwise."""
    if (note := unfinished_run_file(store.folder, key)).exists():
        cost: Mapping[str, float] = read_json(note)["cost"]
        return cost
    where = f"tags.{KEY} = '{key}'"
    found = store.runs(where)
    if server() and not store.is_fallback and (file := database(store.folder)).exists():
        client = mlflow.MlflowClient(sqlite_uri(file))
        found += client.search_runs([e.experiment_id for e in client.search_experiments()], where)
    return {
        k.removeprefix("cost/"): v
        for run in found
        for k, v in run.data.metrics.items()
        if k.startswith("cost/")
    }


def _dataset(name: str, digest: str, origin: str) -> DatasetInput:
    kind, key = ("http", "url") if origin.startswith("https://") else ("local", "uri")
    dataset = Dataset(
        name, digest[:36], kind, json.dumps({key: origin})
    )  # of a digest, MLflow takes no more
    return DatasetInput(dataset, [InputTag("mlflow.data.context", "training and test")])


def _log_model(run_id: str, result: Result) -> None:
    model = load_model(result.model)
    example = open_array(result.model.with_name("example.npy"), np.uint8, (1, None))
    with mlflow.start_run(run_id=run_id):
        mlflow.sklearn.log_model(
            model, name="model", **how_to_log(model, np.asarray(example), result.code)
        )


def how_to_log(model: Pipeline, example: NDArray[np.uint8], code: Path) -> dict[str, Any]:
    """What `mlflow.sklearn.log_model` and `save_model` are told beside the model.

    Parameters: `example` (1, pixels); `code` the folder that loading it needs.
    """
    needs = [
        f"{package}=={version(package)}"
        for package in ("mlflow", "numpy", "scikit-learn", "scipy", "skops", "tqdm")
    ]
    inputs = Schema([TensorSpec(np.dtype(np.uint8), (-1, example.shape[1]))])
    outputs = Schema([TensorSpec(model.classes_.dtype, (-1,))])
    return {
        "serialization_format": "skops", "skops_trusted_types": TRUSTED, "code_paths": [str(code)], "input_example": example,
        "signature": ModelSignature(inputs, outputs), "pip_requirements": needs,
    }  # fmt: skip
