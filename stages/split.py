"""data/raw -> data/split/fold.npy int8 (n,): the fold that holds out an image, or -1 for test.

-2 is an extra picture (`fetch.extra`), which no fold holds out.
"""

from pathlib import Path

import numpy as np

from digits.data.dataset import open_raw
from digits.data.folds import assign_folds
from digits.params.schema import Params
from stages.runner.stage import Stage


def split(params: Params, stage: Stage) -> None:
    """Assign every image to the test set or to a fold of the training set."""
    raw = open_raw(Path("data/raw"))
    options = params.split
    fold = assign_folds(
        raw.labels, raw.n_train, options.strategy, options.folds, params.target, options.seed,
        raw.n_extra,
    )  # fmt: skip
    np.save(stage.out_folder("data/split") / "fold.npy", fold)
