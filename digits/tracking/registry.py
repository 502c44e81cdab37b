"""The champion: of all models that were tried, the one in MLflow's registry that `predict --champion` and `make serve` use."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import mlflow
from mlflow.entities import LoggedModel, LoggedModelStatus, Run
from mlflow.entities.model_registry import ModelVersion

from digits.common.errors import BadInput
from digits.experiments.ranking import PairedValidation, compare_validation
from digits.experiments.revisions import read_hash, read_revision
from digits.metrics.predictions import Predictions, load
from digits.tracking.lookup import COMPLETE
from digits.tracking.store import Store

MODEL, ALIAS = "digits", "champion"

CONFIDENCE = 0.95  # of "better"


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


def promote(root: Path, store: Store, name: str, force: bool = False) -> str:
    """Make a revision's model the champion if on validation it is better for real than today's; a sentence on what was done.

    Both are compared on the images that both were validated on, by McNemar's exact test. The test set is not looked at.

    Parameters: `name` a branch, tag, commit, DVC experiment or `workspace`; `force` to promote it all the same, which its tag says.
    Raises BadInput when it is not better, was not validated, or has no run with a model in MLflow.
    """
    revision = read_revision(root, name, "validation")
    today = champion(store)
    run = _run_of(store, name, read_hash(root, name, "models"), today)
    if today and today.run_id == run.info.run_id:
        return f"{name} is the champion already (version {today.version})."
    tags = {"experiment": name, "validation_accuracy": f"{revision.metrics['accuracy']:.4f}"}
    said = f"{name} is the champion, the first one"
    if today:
        before = store.client.get_run(today.run_id or "")
        stand = _against(store, before, run, revision.predictions)
        how = _in_words(stand)
        is_better = stand is not None and stand.verdict == "better"
        if not is_better and not force:
            raise BadInput(
                f"{name} against the champion {before.info.run_name}: {how}; it is not promoted (`--force` would do it)."
            )
        said = f"{name} is the champion; against {before.info.run_name}, the one before: {how}"
        tags |= {"compared_with": today.version, "comparison": how} | (
            {} if is_better else {"forced": "true"}
        )
    version = _register(store, run, tags)
    return f"{said}. It is version {version.version} of {MODEL} in MLflow's registry."


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
    validation = _validation(store, run, folder)
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


def _run_of(store: Store, name: str, models_hash: str, today: ModelVersion | None) -> Run:
    """The run of a model: today's champion, if it is one of them, else the newest."""
    found = store.runs(f"tags.`dvc.models` = '{models_hash}' and tags.{COMPLETE} != ''")
    if not found:
        raise BadInput(
            f"{name} has no run in MLflow: check it out, or `dvc exp apply {name}`, and `dvc repro` logs it."
        )
    return next((run for run in found if today and run.info.run_id == today.run_id), found[0])


def _against(store: Store, before: Run, run: Run, said: Predictions) -> PairedValidation | None:
    """How a run stands to another one on validation; None when that cannot be said."""
    digests = [
        {each.dataset.digest for each in one.inputs.dataset_inputs} if one.inputs else set()
        for one in (before, run)
    ]
    if digests[0] != digests[1]:
        return None
    with TemporaryDirectory() as temporary:
        folder = _validation(store, before, Path(temporary))
        return (
            compare_validation(load(lambda file: (folder / file).open("rb")), said, CONFIDENCE)
            if folder
            else None
        )


def _in_words(stand: PairedValidation | None) -> str:
    if stand is None:
        return "validated on different images or with different targets"
    return (
        f"{stand.verdict} on {stand.n:,} validation images, {stand.only_other} of which it alone read right and the other alone "
        f"{stand.only_first} (McNemar's exact p = {stand.p_value:.2g})"
    )


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


def _validation(store: Store, run: Run, folder: Path) -> Path | None:
    if not store.client.list_artifacts(run.info.run_id, "validation"):
        return None
    return Path(store.client.download_artifacts(run.info.run_id, "validation", str(folder)))


def _register(store: Store, run: Run, tags: dict[str, str]) -> ModelVersion:
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
