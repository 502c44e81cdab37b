"""Options of a fit, its name, and what it reports after each epoch."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from digits.training.cluster import Cluster


@dataclass(frozen=True)
class FitName:
    """Which fit of an experiment it is: its label, its checkpoint and its metrics are named so.

    Without `fold` and `n_images` it learns from all folds.

    Attributes
    ----------
    fold : int or None
        The fold that is held out.
    n_images : int or None
        The number of originals, for a point of the learning curve.
    member : str or None
        The member of a committee.
    """

    fold: int | None = None
    n_images: int | None = None
    member: str | None = None

    @property
    def label(self) -> str:
        """For messages, as "fold 3, deskewed"."""
        return ", ".join(self._parts())

    @property
    def folder(self) -> str:
        """For the folder of its checkpoint, as "fold-3-deskewed"."""
        return "-".join(self._parts()).replace(" ", "-")

    @property
    def metrics_prefix(self) -> str:
        """For metrics in MLflow, as "fold_3/deskewed"."""
        return "/".join(self._parts()).replace(" ", "_")

    def _parts(self) -> list[str]:
        if self.fold is not None:
            learned = f"fold {self.fold}"
        elif self.n_images is not None:
            learned = f"{self.n_images} images"
        else:
            learned = "all folds"
        return [learned, self.member] if self.member else [learned]


ALL_FOLDS = FitName()


@dataclass(frozen=True)
class Epoch:
    """How far a fit has come after an epoch.

    Attributes
    ----------
    fit : FitName
        Which fit it is.
    epoch : int
        The number of passes over the images, from 1.
    training_loss, validation_loss : float
        Mean log loss, or mean hinge loss of a model without probabilities, on images learned from
        and on images held out; None without held-out images.
    training_accuracy, validation_accuracy : float
        On the same images.
    seconds : float
        Spent on learning so far, in all epochs together.
    peak_memory_mib : float
        The most memory that the process has held so far, in MiB.
    """

    fit: FitName
    epoch: int
    training_loss: float
    training_accuracy: float
    validation_loss: float | None
    validation_accuracy: float | None
    seconds: float
    peak_memory_mib: float


def _ignore(epoch: Epoch) -> None:
    """Do nothing after an epoch."""


@dataclass(frozen=True)
class FitOptions:
    """How a pipeline is fitted.

    Attributes
    ----------
    copies : {"all", "support_vectors", "none"}
        Learn from all rows, or first from the originals and then from the support vectors and
        their copies alone: the virtual support vector method. With "none" there are no copies.
    epochs : int or None
        Learn by so many epochs of `partial_fit`; None: by one `fit`.
    seed : int
        Of the order in which the images come in each epoch.
    checkpoints : Path or None
        The folder in which each fit keeps a checkpoint, from which a killed training goes on.
    on_epoch : callable
        Called after each epoch, restored ones included.
    cluster : Cluster or None
        The workers on which it runs in pieces; None: on this machine.

    References
    ----------
    Schölkopf, Burges & Vapnik (1996), "Incorporating Invariances in Support Vector Learning
    Machines".
    """

    copies: Literal["all", "support_vectors", "none"] = "all"
    epochs: int | None = None
    seed: int = 0
    checkpoints: Path | None = None
    on_epoch: Callable[[Epoch], None] = _ignore
    cluster: "Cluster | None" = None


DEFAULT_OPTIONS = FitOptions()
