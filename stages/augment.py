"""data/raw, data/split -> data/augmented: the training images and their copies, no test images.

images.npy uint8 (m, h, w), labels.npy uint8 (m,), source.npy int32 (m,): the row of data/raw that
each image came from. The originals come first, in their order, then copy after copy.
"""

from pathlib import Path

import numpy as np

from digits.common.arrays import open_array, write_chunks
from digits.data.augmentation import augment_in_chunks, make_transforms
from digits.data.dataset import open_raw
from digits.data.folds import TEST
from digits.params.schema import Params
from stages.runner.stage import Stage


def augment(params: Params, stage: Stage) -> None:
    """Write the training images and one copy of all of them for each transform."""
    raw = open_raw(Path("data/raw"))
    fold = open_array(Path("data/split/fold.npy"), np.int8, raw.labels.shape)
    train = np.flatnonzero(fold != TEST).astype(np.int32)
    transforms = make_transforms(params.augment.model_dump())
    source = np.tile(train, 1 + len(transforms))
    augmented = stage.out_folder("data/augmented")
    images = augment_in_chunks(raw.images, train, transforms, params.augment.seed)
    write_chunks(augmented / "images.npy", images, len(source))
    np.save(augmented / "labels.npy", raw.labels[source])
    np.save(augmented / "source.npy", source)
