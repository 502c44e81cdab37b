"""data/augmented, data/split -> models/, metrics/validation.json; the run is live in MLflow meanwhile.

models/model.skops: the pipeline fitted on all training images; validation_rows.npy int64 (m,) and validation_scores.npy float64
(m, 10) or (m,): what models fitted without them said of the held-out originals. The test images are not read here.
"""

import logging
import time
from pathlib import Path

import numpy as np

from digits import protocol
from digits.errors import BadInput
from digits.families import make_pipeline
from digits.files import file_sha256, open_array, write_json
from digits.folds import TEST, learn_target
from digits.params import Params
from digits.persistence import save_model
from digits.scores import fold_accuracies, metrics
from digits.store import result_key
from stages.harness import Outs, run, store

log = logging.getLogger(__name__)


def train(params: Params, outs: Outs) -> None:
    from digits.tracking import live_run, peak_memory  # seconds that bad params need not wait for

    started = time.monotonic()
    augmented = Path("data/augmented")
    images = open_array(augmented / "images.npy", np.uint8, (None, None, None))
    digits = open_array(augmented / "labels.npy", np.uint8, (len(images),))
    source = open_array(augmented / "source.npy", np.int32, (len(images),))
    fold = open_array(Path("data/split/fold.npy"), np.int8, (None,))

    how = params.train
    n = len(images) if how.copies == "all" else np.count_nonzero(fold != TEST)
    X, y, source = images[:n].reshape(n, -1), learn_target(digits[:n], params.target), source[:n]
    most = min(X.shape[1], n - np.bincount(fold[source]).max())
    if how.components > most:
        raise BadInput(
            f"train.components is {how.components}, allowed is at most {most}: the pixels of an image, the images of a fit."
        )
    pipeline = make_pipeline(how.model, params.model_settings, how.scale, how.components, how.seed)

    models = outs.folder("models")
    with live_run(store(), params.that_matter()) as tracked:
        values: dict[str, float | int] = {"n": 0}
        if how.validate_ != "none":
            held_out = protocol.validate(pipeline, X, y, source, fold, how.validate_)
            np.save(models / "validation_rows.npy", held_out.rows)
            np.save(models / "validation_scores.npy", held_out.scores)
            values = metrics(held_out.y, held_out.scores, protocol.has_probability(pipeline))
            values |= fold_accuracies(held_out.y, held_out.scores, protocol.has_probability(pipeline), fold[held_out.rows])
            log.info("validation: %d errors in %d, accuracy %.4f", values["errors"], values["n"], values["accuracy"])
        write_json(outs("metrics/validation.json"), values)
        tracked.log_metrics(values, "validation")

        save_model(protocol.fit(pipeline, X, y), models / "model.skops")
        cost = {"train_seconds": time.monotonic() - started, "peak_memory_mib": peak_memory()}
        tracked.finish(result_key(params.that_matter(), file_sha256(models / "model.skops")), cost)


if __name__ == "__main__":
    run("train", train)
