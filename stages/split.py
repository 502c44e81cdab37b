"""data/raw -> data/split/fold.npy int8 (n,): -1 = test, 0..k-1 = the fold in which a training image is held out."""

from pathlib import Path

import numpy as np

from digits.data.dataset import open_raw
from digits.data.folds import assign_folds
from digits.params.schema import Params
from stages.harness import Outs, run


def split(params: Params, outs: Outs) -> None:
    raw = open_raw(Path("data/raw"))
    how = params.split
    fold = assign_folds(raw.labels, raw.n_train, how.strategy, how.folds, params.target, how.seed)
    np.save(outs.folder("data/split") / "fold.npy", fold)


if __name__ == "__main__":
    run("split", split)
