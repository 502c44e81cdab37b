"""Fetch a data set -> data/raw: images.npy uint8 (n, h, w), labels.npy uint8 (n,), about.json."""

import logging
from pathlib import Path

from digits.data.dataset import save_raw
from digits.data.fetching import fetch_dataset
from digits.params.schema import Params
from stages.runner.stage import Stage

log = logging.getLogger(__name__)


def fetch(params: Params, stage: Stage) -> None:
    """Fetch the images and labels, from the cache of this machine if they are there."""
    data = fetch_dataset(params.fetch.dataset, params.fetch.sha256, own=Path("data/own"))
    save_raw(data, stage.out_folder("data/raw"))
    log.info("%d images of %s, SHA-256 %s", len(data.images), params.fetch.dataset, data.sha256)
