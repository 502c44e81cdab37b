"""The champion in MLflow's registry: the model that `predict --champion` and `serve` can use."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import mlflow
from mlflow.entities import LoggedModel, LoggedModelStatus, Run
from mlflow.entities.model_registry import ModelVersion

from digits.common.errors import BadInput
from digits.tracking.database import local_path
from digits.tracking.hashes import HASHES, MODEL_NAME, check_hashes
from digits.tracking.lookup import COMPLETE, database
from digits.tracking.messages import install_missing, one_line, without_password
from digits.tracking.model_folder import MODEL_FILE
from digits.tracking.store import Store

MODEL, ALIAS = "digits", "champion"


@dataclass(frozen=True)
class DownloadedModel:
    """A logged model on this machine.

    Attributes
    ----------
    model : Path
        The file that `persistence.load_model` reads.
    validation : Path or None
        The folder of its predictions in validation, if it was validated.
    target : int or str
        What it tells: "digit", or a digit for whether an image is that digit.
    """

    model: Path
    validation: Path | None
    target: int | str


def find_champion(store: Store) -> ModelVersion | None:
    """Return today's champion, if there is one."""
    try:
        return store.client.get_model_version_by_alias(MODEL, ALIAS)
    except mlflow.MlflowException as error:
        # The first when there is no such model, the second when it has no such alias.
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise


def download_champion(store: Store, folder: Path) -> DownloadedModel:
    """Bring the champion's files into a folder, as `download_model` does.

    Raises BadInput when there is no champion.
    """
    champion = find_champion(store)
    if not champion:
        raise BadInput("there is no champion yet: `python -m digits promote EXPERIMENT` makes one.")
    if not (run := find_champion_run(store, champion)):
        raise BadInput(
            f"the run of the champion (version {champion.version}) was deleted for good, and its "
            "files with it: `python -m digits promote EXPERIMENT --force` makes another champion."
        )
    return download_model(store, run, folder)


def find_champion_run(store: Store, champion: ModelVersion) -> Run | None:
    """Return the champion's run, also one in MLflow's trash; None if it is there no more."""
    try:
        return store.client.get_run(champion.run_id or "")
    except mlflow.MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return None
        raise


def download_model(store: Store, run: Run, folder: Path) -> DownloadedModel:
    """Bring the files of a run's model into a folder, unless they are on this machine.

    Parameters
    ----------
    store : Store
        Where the run is.
    run : Run
        Whose model.
    folder : Path
        For what has to be downloaded from a server.

    Raises
    ------
    BadInput
        When the run has no model, or its files cannot be read.
    """
    uri = f"{_logged_model(store, run).artifact_location}/{MODEL_FILE}"
    with _reading(run, uri):
        model = Path(mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=str(folder)))
    _check(store, run, folder, {MODEL_NAME: model})
    validation = download_validation(store, run, folder)
    target = run.data.params["target"]
    return DownloadedModel(model, validation, target if target == "digit" else int(target))


def download_validation(store: Store, run: Run, folder: Path) -> Path | None:
    """Bring a run's predictions in validation into a folder; None when it was not validated.

    Raises BadInput when its files cannot be read.
    """
    with _reading(run, run.info.artifact_uri):
        _check_files_are_there(store, run)
        if not store.client.list_artifacts(run.info.run_id, "validation"):
            return None
        path = Path(store.client.download_artifacts(run.info.run_id, "validation", str(folder)))
    _check(store, run, folder, {f"validation/{file.name}": file for file in path.iterdir()})
    return path


def _check(store: Store, run: Run, folder: Path, files: Mapping[str, Path]) -> None:
    """Check that files are those that were logged. Raises BadInput when they are not."""
    with _reading(run, run.info.artifact_uri):
        names = [file.path for file in store.client.list_artifacts(run.info.run_id, "project")]
        if HASHES not in names:  # a run of an earlier version of this project has none
            return
        hashes = Path(store.client.download_artifacts(run.info.run_id, HASHES, str(folder)))
    check_hashes(str(run.info.run_name), hashes, files)


@contextmanager
def _reading(run: Run, place: str) -> Iterator[None]:
    """What goes wrong within is BadInput: the files are gone, or this client cannot read there."""
    try:
        yield
    except Exception as error:
        path = local_path(place)
        cure = "bring them back to that place" if path and not path.exists() else "mend that"
        if isinstance(error, ImportError):
            cure = install_missing(error)
        raise BadInput(
            f"the files of the run {run.info.run_name} cannot be read from "
            f"{path or without_password(place)} ({one_line(error)}): {cure}."
        ) from error


def download_files(store: Store, run: Run, folder: Path) -> Path:
    """Bring all files of a run into a folder, and return where they are there.

    Raises BadInput when they cannot be read. A run that is not complete may have none.
    """
    with _reading(run, run.info.artifact_uri):
        if COMPLETE in run.data.tags:
            _check_files_are_there(store, run)
        return Path(store.client.download_artifacts(run.info.run_id, "", str(folder)))


def _check_files_are_there(store: Store, run: Run) -> None:
    if not store.client.list_artifacts(run.info.run_id):  # each complete run has some
        raise FileNotFoundError("nothing is there")


def find_run(store: Store, name: str) -> tuple[Store, Run]:
    """A run by its id or its name, and the store that has it.

    That is the embedded store if a server did not take the run.

    Raises
    ------
    BadInput
        When there is none, or several.
    """
    runs = _named(store, name)
    if not runs and (embedded := _embedded(store)):
        runs, store = _named(embedded, name), embedded
    if len(runs) != 1:
        ids = ", ".join(run.info.run_id for run in runs)
        problem = f"the name of {len(runs)} runs ({ids})" if runs else "no run here"
        raise BadInput(
            f"{name} is {problem}: allowed is a run's id, or its name if no other has it."
        )
    return store, runs[0]


def _named(store: Store, name: str) -> list[Run]:
    with suppress(mlflow.MlflowException):  # no such id
        return [store.client.get_run(name)]
    return [] if "'" in name else store.runs(f"attributes.run_name = '{name}'")


def _embedded(store: Store) -> Store | None:
    """The embedded store, where a server's is used and there is one."""
    if store.file or not database(store.folder).exists():
        return None
    return Store(store.folder, embedded=True)


def find_complete_run(store: Store, models_hash: str, preferred_run: str | None) -> Run | None:
    """A complete run of a model.

    Parameters
    ----------
    store : Store
        Where to look.
    models_hash : str
        DVC's hash of the model's folder.
    preferred_run : str or None
        The id of a run; if it is of this model too, it is taken, else the newest.

    Returns
    -------
    Run or None
        None when there is no such run.
    """
    runs = store.runs(f"tags.`dvc.models` = '{models_hash}' and tags.{COMPLETE} != ''")
    preferred = [run for run in runs if run.info.run_id == preferred_run]
    return next(iter(preferred + runs), None)


def no_run(store: Store, name: str, models_hash: str) -> BadInput:
    """That a revision's model has no run where one was looked for, as the error to raise."""
    if (embedded := _embedded(store)) and find_complete_run(embedded, models_hash, None):
        where = "" if name == "workspace" else f" in a checkout of {name}"
        return BadInput(
            f"the run of {name} is in {embedded.file} alone, as the MLflow server did not take "
            f"it: `dvc repro`{where} sends it, or says why not."
        )
    if name == "workspace":
        return BadInput(
            "the workspace has no run in MLflow: `dvc repro` logs it, or `dvc repro -sf track` "
            "where DVC has nothing to do."
        )
    return BadInput(
        f"{name} has no run in MLflow: check it out, or `dvc exp apply {name}` if it is an "
        "experiment, and `dvc repro -sf track` logs it."
    )


def register_champion(
    store: Store, run: Run, tags: dict[str, str], description: str
) -> ModelVersion:
    """Make a run's model the champion: a new version in MLflow's registry.

    Parameters
    ----------
    store : Store
        Where the registry is.
    run : Run
        Whose model it is.
    tags : dict of str to str
        Of the version.
    description : str
        Of the version, and of the registered model as long as this is the champion.
    """
    logged = _logged_model(store, run)
    if not store.client.search_registered_models(f"name = '{MODEL}'"):
        store.client.create_registered_model(MODEL)
    version = store.client.create_model_version(
        MODEL,
        logged.artifact_location,
        run.info.run_id,
        tags,
        description=description,
        model_id=logged.model_id,
    )
    store.client.set_registered_model_alias(MODEL, ALIAS, version.version)
    about = "Reads handwritten digits; `python -m digits promote` chooses the champion."
    store.client.update_registered_model(
        MODEL, f"{about}\n\nVersion {version.version}: {description}"
    )
    return version


def _logged_model(store: Store, run: Run) -> LoggedModel:
    outputs = store.client.get_run(run.info.run_id).outputs
    for output in outputs.model_outputs if outputs else []:
        model = store.client.get_logged_model(output.model_id)
        if model.status == LoggedModelStatus.READY:  # another was being logged at a kill
            return model
    raise BadInput(f"the run {run.info.run_name} has no model.")
