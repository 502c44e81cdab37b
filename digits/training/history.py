"""The history of a training: how far its fits have come, epoch by epoch."""

from collections.abc import Callable
from dataclasses import dataclass, field

from digits.training.options import Epoch

COLUMNS = (
    "epoch", "training_loss", "validation_loss", "training_accuracy", "validation_accuracy",
)  # fmt: skip


@dataclass(frozen=True)
class EpochHistory:
    """Collects the epochs of all fits.

    Attributes
    ----------
    on_epoch : callable
        Called with each epoch, too.
    epochs : list of Epoch
        In the order in which they came.
    """

    on_epoch: Callable[[Epoch], None]
    epochs: list[Epoch] = field(default_factory=list)

    def append(self, epoch: Epoch) -> None:
        """Add an epoch."""
        self.epochs.append(epoch)
        self.on_epoch(epoch)

    def table(self) -> tuple[tuple[str, ...], list[list[float | None]]]:
        """Return the columns and the rows of the first fit's epochs; no rows without epochs."""
        first = [epoch for epoch in self.epochs if epoch.fit == self.epochs[0].fit]
        return COLUMNS, [[getattr(epoch, name) for name in COLUMNS] for epoch in first]
