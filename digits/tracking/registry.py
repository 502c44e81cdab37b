"""The champion: of all models that were tried, the one in MLflow's registry that `predict --champion` and `make serve` use."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import mlflow
from mlflow.entities import LoggedModel, LoggedModelStatus, Run
from mlflow.entities.model_registry import ModelVersion

from digits.common.errors import BadInput
from digits.tracking.lookup import COMPLETE
from digits.tracking.store import Store

MODEL, ALIAS = "digits", "champion"


@dataclass(frozen=True)
class Files:
    """A logged model on this machine: the file that `persistence.load_model` reads, what it said in validation, its `target`."""

    model: Path
    validation: Path | None
    target: int | str


def champion(store: Store) -> ModelVersion | None:
    """Today's champion, if there is one."""
    try:
        return store.client.get_model_version_by_alias(MODEL, ALIAS)
    except mlflow.MlflowException as error:
        if error.error_code in (
            "RESOURCE_DOES_NOT_EXIST",
            "INVALID_PARAMETER_VALUE",
        ):  # no such model, no such alias
            return None
        raise


def champion_files(store: Store, folder: Path) -> Files:
    """Bring the champion's files into a folder, unless they are on this machine. Raises BadInput when there is no champion."""
    today = champion(store)
    if not today:
        raise BadInput("there is no champion yet: `python -m digits promote EXPERIMENT` makes one.")
    return files_of(store, store.client.get_run(today.run_id or ""), folder)


def files_of(store: Store, run: Run, folder: Path) -> Files:
    """Bring the files of a run's model into a folder, unless they are on this machine. Raises BadInput when it has no model."""
    location = _logged_model(store, run).artifact_location
    model = Path(
        mlflow.artifacts.download_artifacts(
            artifact_uri=f"{location}/model.skops", dst_path=str(folder)
        )
    )
    validation = download_validation(store, run, folder)
    target = run.data.params["target"]
    return Files(model, validation, target if target == "digit" else int(target))


def find_run(store: Store, name: str) -> Run:
    """A run by its id or its name. Raises BadInput when there is none, or several."""
    with suppress(mlflow.MlflowException):  # no such id
        return store.client.get_run(name)
    found = [] if "'" in name else store.runs(f"attributes.run_name = '{name}'")
    if len(found) != 1:
        ids = ", ".join(run.info.run_id for run in found)
        what = f"the name of {len(found)} runs ({ids})" if found else "no run here"
        raise BadInput(f"{name} is {what}: allowed is a run's id, or its name if no other has it.")
    return found[0]


def complete_run_of(store: Store, models_hash: str, preferred_run: str | None) -> Run | None:
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


def _logged_model(store: Store, run: Run) -> LoggedModel:
    outputs = store.client.get_run(run.info.run_id).outputs
    models = [
        store.client.get_logged_model(output.model_id)
        for output in (outputs.model_outputs if outputs else [])
    ]
    whole = [
        model for model in models if model.status == LoggedModelStatus.READY
    ]  # others were being logged at a kill
    if not whole:
        raise BadInput(f"the run {run.info.run_name} has no model.")
    return whole[0]


def download_validation(store: Store, run: Run, folder: Path) -> Path | None:
    """Bring a run's predictions in validation into a folder; None when it was not validated."""
    if not store.client.list_artifacts(run.info.run_id, "validation"):
        return None
    return Path(store.client.download_artifacts(run.info.run_id, "validation", str(folder)))


def register(store: Store, run: Run, tags: dict[str, str]) -> ModelVersion:
    """Make a run's model the champion: a new version in MLflow's registry, with these tags."""
    logged = _logged_model(store, run)
    if not store.client.search_registered_models(f"name = '{MODEL}'"):
        store.client.create_registered_model(
            MODEL, description="Reads handwritten digits; `python -m digits promote` chooses."
        )
    version = store.client.create_model_version(
        MODEL, logged.artifact_location, run.info.run_id, tags, model_id=logged.model_id
    )
    store.client.set_registered_model_alias(MODEL, ALIAS, version.version)
    return version
