"""The ways to read digits that bench.frontier measures, and the measuring of one of them.

`python -m bench.ways WAY FOLDER` learns from the images of folds 0 to 4 in FOLDER, scores those of
fold 5, and prints one line of JSON. The ways with a network are measured by bench/network.py.
"""

import json
import runpy
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import sklearn
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC

from digits.common.arrays import write_chunks
from digits.common.resources import peak_memory
from digits.data.augmentation import augment_in_chunks, make_transforms
from digits.experiments.git import ROOT
from digits.experiments.ladder import Ladder, Rung, choose_rungs, read_ladder, rung_params
from digits.metrics.predictions import decide, decision_scores, has_probability
from digits.models.families import PipelineOptions, make_pipeline, n_epochs
from digits.params.schema import Params
from digits.training.dataset import open_training_set
from digits.training.fit import fit
from digits.training.options import FitName, FitOptions

HELD_OUT = 5  # the fold that is scored

OURS, STOCK, NETWORK, NOTEBOOK = "this pipeline", "scikit-learn", "network", "notebook"

NO_COPIES = {"train.copies": "none", "augment.elastic.copies": 0}
BOTH = {"train.features": ["normalized_gradients", "gradients"]}


@dataclass(frozen=True)
class Way:
    """One way to learn from images.

    Attributes
    ----------
    what : str
        What it is, for the table.
    group : str
        Whose it is: one of OURS, STOCK, NETWORK, NOTEBOOK.
    rung : str
        Of this pipeline: the rung of ladder.yaml that it is; by default the one of its name.
    set : dict of str to value
        Of this pipeline: the params that are not those of the rung, by dotted name.
    make : type or None
        Of scikit-learn: the classifier's class.
    arguments : dict
        Of scikit-learn: what the class is called with.
    scale : float
        Of scikit-learn: what pixels are divided by.
    epochs, augment : int, bool
        Of a network: passes over the images, and whether each is distorted in every pass.
    """

    what: str
    group: str = OURS
    rung: str = ""
    set: dict[str, Any] = field(default_factory=dict)
    make: type[ClassifierMixin] | None = None
    arguments: dict[str, Any] = field(default_factory=dict)
    scale: float = 1
    epochs: int = 0
    augment: bool = False


WAYS = {
    "forest": Way("100 trees on the pixels"),
    "mlp-300-100": Way("two dense layers, 300 and 100 neurons, 20 epochs"),
    "knn": Way("4 nearest neighbours on the pixels"),
    "knn-shifts": Way("4 nearest neighbours, 4 shifted copies of each image"),
    "knn-deskewed": Way("4 nearest neighbours of digits put upright"),
    "gradients": Way("gradients of normalized digits, PCA, RBF SVM"),
    "champion": Way("the default: gradients of normalized digits, PCA, RBF SVM, and copies"),
    "scattering": Way("wavelet scattering, PCA, RBF SVM"),
    "two gradients": Way(
        "a committee: gradients of digits as written and normalized",
        rung="champion",
        set=NO_COPIES | BOTH,
    ),
    "two champions": Way("the same committee, with copies", rung="champion", set=BOTH),
    "committee": Way("a committee: scattering and gradients of normalized digits, with copies"),
    "SVC": Way(
        "SVC(C=5, gamma=0.05, cache_size=2000) on pixels from 0 to 1",
        STOCK,
        make=SVC,
        arguments={"C": 5, "gamma": 0.05, "cache_size": 2000},
        scale=255,
    ),
    "HistGradientBoosting": Way(
        "HistGradientBoostingClassifier(early_stopping=False) on pixels, 100 rounds",
        STOCK,
        make=HistGradientBoostingClassifier,
        arguments={"early_stopping": False, "random_state": 42},
    ),
    "KNeighbors": Way(
        'KNeighborsClassifier(4, weights="distance", n_jobs=-1) on float32 pixels',
        STOCK,
        make=KNeighborsClassifier,
        arguments={"n_neighbors": 4, "weights": "distance", "n_jobs": -1},
    ),
    "Keras": Way("four convolutions and a dense layer, 8 epochs", NETWORK, epochs=8),
    "Keras, augmented": Way(
        "the same network, images turned, moved and zoomed a little, 20 epochs",
        NETWORK,
        epochs=20,
        augment=True,
    ),
    "notebook": Way("bench/notebook_way.py: shifted copies one by one, stock KNN", NOTEBOOK),
}


def rung_of(name: str, ladder: Ladder) -> Rung:
    """A way of this pipeline as a rung: one of the ladder, with what is set otherwise."""
    way = WAYS[name]
    rung = choose_rungs(ladder, way.rung or name)[0]
    return rung.model_copy(update={"set": rung.set | way.set})


def settings_of(name: str) -> dict[str, Any]:
    """The params that a way of this pipeline learns by, but those of the ladder's `base`."""
    settings = rung_of(name, read_ladder(ROOT / "ladder.yaml")).set
    return {key: value for key, value in settings.items() if not key.startswith("evaluate.")}


def params_of(name: str) -> Params:
    """The whole params.yaml of a way of this pipeline."""
    ladder = read_ladder(ROOT / "ladder.yaml")
    return rung_params(ladder, rung_of(name, ladder))


def measure_ours(params: Params, folder: Path) -> dict[str, Any]:
    """Augment, fit and score as the stages do: copies and features of the held-out fold too."""
    images, labels = np.load(folder / "images.npy"), np.load(folder / "labels.npy")
    fold, settings = np.load(folder / "fold.npy"), params.train
    with tempfile.TemporaryDirectory() as augmented:
        started = time.monotonic()
        transforms = make_transforms(params.augment.model_dump())
        rows = np.arange(len(labels), dtype=np.int32)
        source = np.tile(rows, 1 + len(transforms))
        chunks = augment_in_chunks(images, rows, transforms, params.augment.seed)
        write_chunks(Path(augmented, "images.npy"), chunks, len(source))
        np.save(Path(augmented, "labels.npy"), labels[source])
        np.save(Path(augmented, "source.npy"), source)
        data, shape = open_training_set(Path(augmented), fold, "digit", settings.copies)
        options = PipelineOptions.from_params(settings, shape)
        model_settings = params.model_settings
        pipeline = make_pipeline(settings.model, model_settings, settings.seed, options)
        learn = np.flatnonzero(fold[data.source] != HELD_OUT).astype(np.int32)
        epochs = n_epochs(settings.model, model_settings)
        how = FitOptions(settings.copies, epochs, settings.seed)
        model = fit(pipeline, data, learn, how, name=FitName(fold=HELD_OUT))
        fitted = time.monotonic()
        held_out = np.flatnonzero(fold == HELD_OUT)
        scores = decision_scores(model, data.read(held_out), "held out")
        predicted = decide(scores, has_probability(pipeline))
    return _result(started, fitted, predicted, labels[held_out])


def measure_stock(way: Way, folder: Path) -> dict[str, Any]:
    """Fit and score a classifier of scikit-learn."""
    fold, labels = np.load(folder / "fold.npy"), np.load(folder / "labels.npy")
    X = np.load(folder / "images.npy").reshape(len(labels), -1).astype(np.float32) / way.scale
    X_train, y_train = X[fold != HELD_OUT], labels[fold != HELD_OUT]
    X_held_out, y_held_out = X[fold == HELD_OUT], labels[fold == HELD_OUT]
    del X
    assert way.make is not None
    started = time.monotonic()
    model = way.make(**way.arguments).fit(X_train, y_train)
    fitted = time.monotonic()
    return _result(started, fitted, model.predict(X_held_out), y_held_out)


def measure_notebook(folder: Path) -> dict[str, Any]:
    """Run the notebook's code on the images of folds 0 to 4, and after them those of fold 5."""
    held_out = np.load(folder / "fold.npy") == HELD_OUT
    order = np.argsort(held_out, kind="stable")
    with tempfile.TemporaryDirectory() as raw:
        for file in ("images.npy", "labels.npy"):
            np.save(Path(raw, file), np.load(folder / file)[order])
        del order
        sys.argv[1:] = [raw, str(np.count_nonzero(~held_out))]
        sys.stdout, stdout = sys.stderr, sys.stdout  # it prints its score
        started = time.monotonic()
        done = runpy.run_path(str(ROOT / "bench" / "notebook_way.py"))
        total = time.monotonic() - started
        sys.stdout = stdout
    return {
        "seconds": done["seconds"],
        "scoring_seconds": total - done["seconds"],
        "errors": round((1 - done["score"]) * np.count_nonzero(held_out)),
        "memory_mib": peak_memory(),
        "software": f"scikit-learn {sklearn.__version__}",
    }


def _result(started: float, fitted: float, predicted: NDArray, y: NDArray) -> dict[str, Any]:
    return {
        "seconds": fitted - started,
        "scoring_seconds": time.monotonic() - fitted,
        "errors": int(np.count_nonzero(predicted != y)),
        "memory_mib": peak_memory(),
        "software": f"scikit-learn {sklearn.__version__}",
    }


def main(name: str, folder: str) -> None:
    """Measure a way and print what came out."""
    way = WAYS[name]
    if way.group == OURS:
        result = measure_ours(params_of(name), Path(folder))
    elif way.group == STOCK:
        result = measure_stock(way, Path(folder))
    else:
        result = measure_notebook(Path(folder))
    print(json.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:])
