"""A result's one complete run in MLflow: found if `train` began it, else rebuilt from the files."""

import json
import logging
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import mlflow
import numpy as np
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Run, RunTag

from digits.common.arrays import open_array
from digits.common.environment import is_default
from digits.common.errors import BadInput
from digits.common.files import read_json
from digits.experiments.provenance import current_experiment, describe_source
from digits.experiments.run_names import run_name
from digits.tracking.database import sqlite_uri, why_unusable
from digits.tracking.hashes import write_hashes
from digits.tracking.lookup import COMPLETE, KEY, database, unfinished_run_file
from digits.tracking.messages import accuracy_in_words
from digits.tracking.model_folder import ModelFiles, log_model
from digits.tracking.server import check_files_are_seen, why_not_stored
from digits.tracking.store import Store, open_store, points

log = logging.getLogger(__name__)

UPLOAD_TIMEOUT = "120"  # seconds

_TIMEOUT = "MLFLOW_HTTP_REQUEST_TIMEOUT"


@dataclass(frozen=True)
class Result:
    """All that a run shows of one experiment.

    Attributes
    ----------
    key : str
        The result's name (lookup.result_key).
    evaluation : str
        The name of what was measured of it (lookup.evaluation_key).
    params : mapping
        The parameters that matter, nested.
    metrics : mapping
        Flat mappings by prefix ("validation", "test").
    curves : mapping
        By prefix, rows whose first column is the step.
    files : mapping
        Files by artifact folder.
    texts : mapping
        Texts by artifact path.
    dataset : tuple of str
        Name, SHA-256, and URL or path of the data set.
    tags : mapping
        More tags of the run.
    model : Path
        The file that `save_model` wrote, beside example.npy: an image that it learned from, of
        shape (1, n_pixels).
    code : Path
        The folder of code that loading the model needs.
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
    """See to it that a result has one complete run.

    Parameters
    ----------
    folder : Path
        Of the embedded store.
    result : Result
        What the run is of.

    Returns
    -------
    bool
        Whether the run is where it should be, and not in the embedded store in place of a server.

    Raises
    ------
    BadInput
        As `Store`.
    """
    store = open_store(folder)
    try:
        run = _find_or_complete(store, result)
    except BadInput:
        raise
    except Exception as error:
        # Not only MLflow's: it may lack a library for the files' place, and those raise theirs.
        if store.file:
            if isinstance(error, mlflow.MlflowException):
                raise why_unusable(store.file, error) from error
            raise
        why = why_not_stored(store.client, store.uri, store.experiment_id, error)
        store = Store(folder, embedded=True)
        log.warning("%s. The run is in %s until a `dvc repro` can send it", why, store.file)
        run = _find_or_complete(store, result)
    if run.data.tags.get("mlflow.source.git.commit"):
        restored = f"`{restore_command(run.info.run_id)}` brings its workspace back"
    else:
        restored = "it has no commit, so that it cannot be restored"
    log.info("run %s is complete: %s", run.info.run_name, restored)
    return not store.is_fallback


def restore_command(run_id: str) -> str:
    """The command that brings a run's code, params and results back into the workspace."""
    return f"python -m digits restore {run_id}"


def _find_or_complete(store: Store, result: Result) -> Run:
    with store.locked(), _time_to_upload():
        store.sweep()
        run = _find(store, result) or store.client.get_run(
            store.create_run(result.params, {KEY: result.key})
        )
        if COMPLETE not in run.data.tags:
            if not store.file:
                check_files_are_seen(store.uri, run)
            _complete(store, run, result)
            run = store.client.get_run(run.info.run_id)  # as it is named now
        if not store.is_fallback:
            unfinished_run_file(store.folder, result.key).unlink(missing_ok=True)
    return run


@contextmanager
def _time_to_upload() -> Iterator[None]:
    """Give a server longer for a large file than one that is down, unless a person set a limit."""
    if not is_default(_TIMEOUT):
        yield
        return
    default = os.environ[_TIMEOUT]
    os.environ[_TIMEOUT] = UPLOAD_TIMEOUT
    try:
        yield
    finally:
        os.environ[_TIMEOUT] = default


def _find(store: Store, result: Result) -> Run | None:
    """The run of a result that was measured so, or is not complete yet.

    Also one that `train` could not mark any more, as the server had gone.
    """
    key = result.key
    runs = {run.data.tags.get(COMPLETE): run for run in store.runs(f"tags.{KEY} = '{key}'")}
    if run := runs.get(result.evaluation) or runs.get(None):
        return run
    file = unfinished_run_file(store.folder, key)
    if file.exists() and (unfinished := read_json(file)).get("store") == store.name:
        with suppress(mlflow.MlflowException):  # it was deleted
            store.client.set_tag(unfinished["run_id"], KEY, key)
            return store.client.get_run(unfinished["run_id"])
    return None


def _complete(store: Store, run: Run, result: Result) -> None:
    """Add what a run lacks, and last the tag that says so."""
    run_id = run.info.run_id
    _log_files(store, run_id, result)  # first: a server whose files cannot be written ends here
    model_id = log_model(store.client, run, _model_files(result))
    store.log_points(run_id, _numbers(store, run, result, model_id))
    for prefix, rows in result.curves.items():
        store.log_points(run_id, _missing_points(store, run_id, prefix, rows))
    store.client.log_inputs(run_id, [_dataset(*result.dataset)])
    parts = {part: accuracy_in_words(result.metrics[part]) for part in ("test", "validation")}
    report = " ".join(f"{part.capitalize()}: {words}." for part, words in parts.items() if words)
    note = f"{report}\n\nBring its workspace back: `{restore_command(run_id)}`"
    tags = {
        **_name_again(store, run),
        **result.tags,
        "mlflow.note.content": note,
        COMPLETE: result.evaluation,
    }
    store.client.log_batch(run_id, tags=[RunTag(name, value) for name, value in tags.items()])
    store.client.set_terminated(run_id, "FINISHED")


def _model_files(result: Result) -> ModelFiles:
    example = open_array(result.model.with_name("example.npy"), np.uint8, (1, None))
    predictions = np.uint8 if result.params["target"] == "digit" else np.bool_
    return ModelFiles(result.model, np.asarray(example), predictions, result.code)


def _numbers(store: Store, run: Run, result: Result, model_id: str) -> list[Metric]:
    """All metrics that are no curve, for the run and its logged model.

    What `train` logged live keeps its time, so that the run does not have it twice.
    """
    cost = {
        name.removeprefix("cost/"): value
        for name, value in run.data.metrics.items()
        if name.startswith("cost/")
    }
    values = {**result.metrics, "cost": cost or _find_cost(store, result.key)}
    numbers = []
    for prefix in values:
        for point in points(values[prefix], prefix, model_id=model_id):
            if run.data.metrics.get(point.key) == point.value:
                logged = store.client.get_metric_history(run.info.run_id, point.key)[-1]
                point = Metric(point.key, point.value, logged.timestamp, 0, model_id)
            numbers.append(point)
    return numbers


def _missing_points(
    store: Store, run_id: str, prefix: str, rows: Sequence[Mapping[str, float]]
) -> list[Metric]:
    """The points of a curve that `train` did not log live."""
    if not rows:
        return []
    step, *names = rows[0]
    history = store.client.get_metric_history(run_id, f"{prefix}/{names[0]}")
    logged = {point.step for point in history}
    return [
        point
        for row in rows
        if row[step] not in logged
        for point in points({name: row[name] for name in names}, prefix, int(row[step]))
    ]


def _find_cost(store: Store, key: str) -> Mapping[str, float]:
    """What training cost, if this store did not answer then, or saw it for another run."""
    if (file := unfinished_run_file(store.folder, key)).exists():
        cost: Mapping[str, float] = read_json(file)["cost"]
        return cost
    where = f"tags.{KEY} = '{key}'"
    runs = store.runs(where)
    if not store.file and (embedded := database(store.folder)).exists():
        with suppress(mlflow.MlflowException):  # another version's
            client = mlflow.MlflowClient(sqlite_uri(embedded))
            experiments = [e.experiment_id for e in client.search_experiments()]
            runs += client.search_runs(experiments, where)
    return {
        name.removeprefix("cost/"): value
        for run in runs
        for name, value in run.data.metrics.items()
        if name.startswith("cost/")
    }


def _log_files(store: Store, run_id: str, result: Result) -> None:
    """Log all files and texts at once, from a folder in which they lie as they will in the run."""
    with TemporaryDirectory() as temporary:
        for name, paths in result.files.items():
            folder = Path(temporary, name)
            folder.mkdir(parents=True, exist_ok=True)
            for path in paths:
                shutil.copy(path, folder)
        for name, text in result.texts.items():
            file = Path(temporary, name)
            file.parent.mkdir(parents=True, exist_ok=True)
            # Not `log_text`: it takes no patch of files that are not UTF-8.
            file.write_bytes(text.encode(errors="surrogateescape"))
        write_hashes(Path(temporary), result.model)
        store.client.log_artifacts(run_id, temporary)


def _name_again(store: Store, run: Run) -> dict[str, str]:
    """Name the run as it is now, and return the tags that name its source.

    What did not go into the training may have been edited or committed since the run began.
    """
    experiment = current_experiment()
    source = describe_source(experiment)
    store.client.update_run(run.info.run_id, name=run_name(experiment))
    for outdated in {"dvc.experiment", "params_sha256"} & run.data.tags.keys() - source.keys():
        store.client.delete_tag(run.info.run_id, outdated)
    return source


def _dataset(name: str, digest: str, origin: str) -> DatasetInput:
    kind, key = ("http", "url") if origin.startswith("https://") else ("local", "uri")
    # MLflow takes no more of a digest.
    dataset = Dataset(name, digest[:36], kind, json.dumps({key: origin}))
    return DatasetInput(dataset, [InputTag("mlflow.data.context", "training and test")])
