"""data/raw, data/split -> data/augmented: the training images and their copies, no test images.

images.npy uint8 (m, h, w), labels.npy uint8 (m,), source.npy int32 (m,): the row of data/raw that
each image came from. The originals come first, in their order, then copy after copy.
"""

from itertools import repeat
from pathlib import Path

import numpy as np

from digits.common.arrays import open_array, open_array_file, write_chunks
from digits.data.augmentation import augment_in_chunks, make_transforms
from digits.data.dataset import open_raw
from digits.data.folds import TEST
from digits.params.schema import Params
from stages.runner.stage import Stage


def augment(params: Params, stage: Stage) -> None:
    """Write the training images and one copy of all of them for each transform."""
    raw = open_raw(Path("data/raw"))
    fold = open_array(Path("data/split/fold.npy"), np.int8, raw.labels.shape)
    train = np.arange(len(fold), dtype=np.int32)[fold != TEST]
    transforms = make_transforms(params.augment.model_dump())
    n_copies = 1 + len(transforms)  # the originals among them
    n = n_copies * len(train)
    augmented = stage.out_folder("data/augmented")
    # Images are read, not mapped: the pages of a map would count as this process's memory.
    originals = open_array_file(Path("data/raw/images.npy"), np.uint8, raw.images.shape)
    images = augment_in_chunks(originals, train, transforms, params.augment.seed)
    write_chunks(augmented / "images.npy", images, n)
    write_chunks(augmented / "labels.npy", repeat(raw.labels[train], n_copies), n)
    write_chunks(augmented / "source.npy", repeat(train, n_copies), n)
