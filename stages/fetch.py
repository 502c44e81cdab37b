"""Fetch a data set -> data/raw: images.npy uint8 (n, h, w), labels.npy uint8 (n,), about.json."""

import logging

from digits.data import mirrors
from digits.data.dataset import save_raw
from digits.params.schema import Params
from stages.harness import Outs, repository, run

log = logging.getLogger(__name__)


def fetch(params: Params, outs: Outs) -> None:
    data = mirrors.fetch(params.fetch.dataset, params.fetch.sha256, repository())
    save_raw(data, outs.folder("data/raw"))
    log.info("%d images of %s, SHA-256 %s", len(data.images), params.fetch.dataset, data.sha256)


if __name__ == "__main__":
    run("fetch", fetch)
