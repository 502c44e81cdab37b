"""Fetch a data set -> data/raw: images.npy uint8 (n, h, w), labels.npy uint8 (n,), about.json.

A person's extra pictures (`fetch.extra`) are the last of them.
"""

import logging
from pathlib import Path

from digits.data.dataset import save_raw
from digits.data.fetching import add_extra, fetch_dataset
from digits.params.schema import Params
from stages.runner.stage import Stage

log = logging.getLogger(__name__)

OWN = Path("data/own")  # which DVC watches


def fetch(params: Params, stage: Stage) -> None:
    """Fetch the images and labels, from the cache of this machine if they are there."""
    options = params.fetch
    data = fetch_dataset(options.dataset, options.sha256, OWN)
    log.info("%d images of %s, SHA-256 %s", len(data.images), options.dataset, data.sha256)
    if options.extra:
        data = add_extra(data, options.dataset, options.extra, OWN)
        log.info("%d pictures of %s for training alone", data.n_extra, options.extra)
    save_raw(data, stage.out_folder("data/raw"))
