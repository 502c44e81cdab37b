"""The history holds every epoch; its table those of the first fit."""

from digits.training.history import COLUMNS, EpochHistory
from digits.training.options import ALL_FOLDS, Epoch, FitName


def epoch(fit: FitName, number: int, validation_loss: float | None = None) -> Epoch:
    return Epoch(fit, number, 0.5 / number, 0.8, validation_loss, None, 1.5, 100.0)


def test_each_epoch_is_kept_and_passed_on() -> None:
    passed_on: list[Epoch] = []
    history = EpochHistory(passed_on.append)
    epochs = [epoch(FitName(fold=2), 1), epoch(ALL_FOLDS, 1)]
    for one in epochs:
        history.append(one)
    assert history.epochs == passed_on == epochs


def test_the_table_has_the_epochs_of_the_first_fit() -> None:
    history = EpochHistory(lambda epoch: None)
    for number in (1, 2):
        history.append(epoch(FitName(fold=2), number, 0.75))
    history.append(epoch(ALL_FOLDS, 1))
    columns, rows = history.table()
    assert (
        columns
        == COLUMNS
        == (
            "epoch",
            "training_loss",
            "validation_loss",
            "training_accuracy",
            "validation_accuracy",
        )
    )
    assert rows == [[1, 0.5, 0.75, 0.8, None], [2, 0.25, 0.75, 0.8, None]]


def test_without_epochs_the_table_has_no_rows() -> None:
    assert EpochHistory(lambda epoch: None).table() == (COLUMNS, [])
