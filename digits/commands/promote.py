"""`python -m digits promote`: make a model the champion, if on validation it is better."""

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from digits.commands.runs import mlflow_errors_as_bad_input, open_runs
from digits.common.errors import BadInput
from digits.experiments.git import ROOT

if TYPE_CHECKING:
    from mlflow.entities import Run

    from digits.experiments.ranking import PairedValidation
    from digits.metrics.predictions import Predictions
    from digits.tracking.store import Store

HELP = (
    "make an experiment's model the champion in MLflow's registry, if on validation it is better "
    "for real than today's"
)

CONFIDENCE = 0.95  # of "better"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which experiment, and whether it must be better."""
    parser.add_argument("experiment", help="a DVC experiment, branch, tag, commit, or workspace")
    parser.add_argument(
        "--force", action="store_true", help="even if it is not better; a tag says so"
    )


def run(arguments: argparse.Namespace) -> None:
    """Promote, and print what was done."""
    with mlflow_errors_as_bad_input():
        print(promote(ROOT, open_runs(), arguments.experiment, arguments.force))


def promote(root: Path, store: "Store", name: str, force: bool = False) -> str:
    """Make a revision's model the champion if on validation it is better than today's.

    Both are compared on the images that both were validated on, by McNemar's exact test. The test
    set is not looked at.

    Parameters
    ----------
    root : Path
        The repository.
    store : Store
        Where its runs and models are.
    name : str
        A branch, tag, commit, DVC experiment, or `workspace`.
    force : bool
        Whether to promote it even if it is not better; the version's tags then say so.

    Returns
    -------
    str
        A sentence on what was done.

    Raises
    ------
    BadInput
        When it is not better, was not validated, or has no run with a model in MLflow.
    """
    from digits.experiments.comparison import BETTER
    from digits.experiments.revisions import read_hash, read_revision
    from digits.tracking.messages import accuracy_in_words
    from digits.tracking.registry import (
        MODEL,
        find_champion,
        find_champion_run,
        find_complete_run,
        no_run,
        register_champion,
    )

    revision = read_revision(root, name, "validation")
    today = find_champion(store)
    champion_id = today.run_id if today else None
    models_hash = read_hash(root, name, "models")
    run = find_complete_run(store, models_hash, champion_id)
    if run is None:
        raise no_run(store, name, models_hash)
    if today and today.run_id == run.info.run_id:
        return f"{name} is the champion already (version {today.version})."
    tags = {"experiment": name, "validation_accuracy": f"{revision.metrics['accuracy']:.4f}"}
    sentence = f"{name} is the champion, the first one"
    if today:
        before = find_champion_run(store, today)
        paired, comparison = None, "its run was deleted for good, so that nothing can be compared"
        if before:
            paired = _compare_with_champion(store, before, run, revision.predictions)
            comparison = _in_words(paired)
        champion = before.info.run_name if before else f"version {today.version}"
        is_better = paired is not None and paired.verdict == BETTER
        if not is_better and not force:
            raise BadInput(
                f"{name} against the champion {champion}: {comparison}; "
                "it is not promoted (`--force` would do it)."
            )
        sentence = f"{name} is the champion; against {champion}, the one before: {comparison}"
        tags |= {"compared_with": today.version, "comparison": comparison}
        if not is_better:
            tags["forced"] = "true"
    validated = f"Validation: {accuracy_in_words(revision.metrics)}."
    version = register_champion(store, run, tags, f"{validated} {sentence}.")
    return f"{sentence}. It is version {version.version} of {MODEL} in MLflow's registry."


def _compare_with_champion(
    store: "Store", champion: "Run", challenger: "Run", predictions: "Predictions"
) -> "PairedValidation | None":
    """How the challenger did in validation against the champion; None if that cannot be said."""
    from digits.experiments.ranking import compare_validation
    from digits.metrics.predictions import Predictions
    from digits.tracking.registry import download_validation

    if _dataset_digests(champion) != _dataset_digests(challenger):
        return None
    with TemporaryDirectory() as temporary:
        folder = download_validation(store, champion, Path(temporary))
        if folder is None:
            return None
        champion_predictions = Predictions.load_folder(folder)
        return compare_validation(champion_predictions, predictions, CONFIDENCE)


def _dataset_digests(run: "Run") -> set[str]:
    return {used.dataset.digest for used in run.inputs.dataset_inputs} if run.inputs else set()


def _in_words(paired: "PairedValidation | None") -> str:
    if paired is None:
        return "validated on different images or with different targets"
    return (
        f"{paired.verdict} on {paired.n:,} validation images, {paired.only_other} of which "
        f"it alone read right and the other alone {paired.only_first} "
        f"(McNemar's exact p = {paired.p_value:.2g})"
    )
