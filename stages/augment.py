"""data/raw, data/split -> data/augmented: the training images and their derived copies, none of the test images.

images.npy uint8 (m, h, w), labels.npy uint8 (m,), source.npy int32 (m,): the row of data/raw that each image came from.
The originals come first, in their order, then copy after copy.
"""

from pathlib import Path

import numpy as np

from digits.common.files import open_array, write_chunks
from digits.data.augmentation import copies, derived
from digits.data.dataset import open_raw
from digits.data.folds import TEST
from digits.params.schema import Params
from stages.harness import Outs, run


def augment(params: Params, outs: Outs) -> None:
    raw = open_raw(Path("data/raw"))
    fold = open_array(Path("data/split/fold.npy"), np.int8, raw.labels.shape)
    train = np.flatnonzero(fold != TEST).astype(np.int32)
    how = copies(params.augment.model_dump())
    source = np.tile(train, 1 + len(how))
    augmented = outs.folder("data/augmented")
    write_chunks(
        augmented / "images.npy", derived(raw.images, train, how, params.augment.seed), len(source)
    )
    np.save(augmented / "labels.npy", raw.labels[source])
    np.save(augmented / "source.npy", source)


if __name__ == "__main__":
    run("augment", augment)
