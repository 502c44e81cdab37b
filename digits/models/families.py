"""From names to a scikit-learn pipeline: any model on any representation."""

from collections.abc import Mapping, Sequence
from typing import Any

from sklearn.base import BaseEstimator
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    ExtraTreesClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.linear_model import SGDClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline

from digits.features.catalogue import make_scaler, make_steps
from digits.models.committee import Committee
from digits.models.few_labels import FewLabelsClassifier
from digits.models.intelex import IntelexNeighborsClassifier, IntelexSVC
from digits.models.neighbors import PixelNeighborsClassifier
from digits.models.svm import MatrixSVC

# n_jobs stays None everywhere: how many threads work is the caller's business (machine.py) and must not be in the saved model.
FAMILIES: dict[str, Any] = {
    "sgd": lambda seed, epochs, **settings: SGDClassifier(random_state=seed, **settings),
    "softmax": lambda seed, **settings: _network(seed, [], momentum=0, nesterovs_momentum=False, **settings),
    "knn": lambda seed, **settings: PixelNeighborsClassifier(algorithm="brute", **settings),
    "svm": lambda seed, **settings: MatrixSVC(cache_size=1000, decision_function_shape="margin", **settings),
    "forest": lambda seed, **settings: RandomForestClassifier(random_state=seed, **settings),
    "extra_trees": lambda seed, **settings: ExtraTreesClassifier(random_state=seed, **settings),
    "boosting": lambda seed, **settings: HistGradientBoostingClassifier(random_state=seed, early_stopping=False, **settings),
    "voting": lambda seed, members: VotingClassifier(_members(seed, members), voting="soft"),
    "stacking": lambda seed, members, folds, final: StackingClassifier(
        _members(seed, members), FAMILIES["forest"](seed, **final), cv=folds
    ),
    "few_labels": lambda seed, **settings: FewLabelsClassifier(random_state=seed, **settings),
    "mlp": lambda seed, hidden_layers, **settings: _network(seed, hidden_layers, solver="adam", **settings),
}  # fmt: skip

ENGINES: dict[tuple[str, str], Any] = {
    ("intelex", "knn"): IntelexNeighborsClassifier,
    ("intelex", "svm"): IntelexSVC,
}


def _network(
    seed: int, layers: list[int], *, learning_rate: float, epochs: int, **settings: Any
) -> MLPClassifier:
    return MLPClassifier(
        tuple(layers),
        learning_rate_init=learning_rate,
        max_iter=epochs,
        random_state=seed,
        **settings,
    )


def _members(
    seed: int, members: Mapping[str, Mapping[str, Any]]
) -> list[tuple[str, BaseEstimator]]:
    return [(name, FAMILIES[name](seed, **settings)) for name, settings in members.items()]


def make_pipeline(
    model: str,
    settings: Mapping[str, Any],
    seed: int,
    *,
    features: str | Sequence[str] = "pixels",
    shape: tuple[int, int] | None = None,
    scale: str = "none",
    components: int = 0,
    clusters: int = 0,
    engine: str = "scikit-learn",
) -> Pipeline:
    """An unfitted pipeline: features -> scale -> PCA -> distances to k-means centres -> model, without the steps that are off.

    Parameters: `model` a key of FAMILIES and `settings` its keyword arguments; `seed` the random_state of all that draws;
    `features` a key of FEATURES, or several for a committee; `shape` (height, width) of the images, None for square ones; `scale` a
    key of SCALES; `components` of the PCA and `clusters` of the k-means, 0 for none; `engine` what computes.
    """
    if not isinstance(features, str):
        common: dict[str, Any] = {
            "shape": shape,
            "scale": scale,
            "components": components,
            "clusters": clusters,
            "engine": engine,
        }
        members = [
            (name, make_pipeline(model, settings, seed, features=name, **common))
            for name in features
        ]
        return Pipeline([("committee", Committee(members))])
    steps = [*make_steps(features, shape), *make_scaler(scale)]
    if components:
        steps.append(("pca", PCA(components, svd_solver="covariance_eigh")))
    if clusters:
        steps.append(("clusters", KMeans(clusters, n_init=1, random_state=seed)))
    estimator = FAMILIES[model](seed, **settings)
    if (engine, model) in ENGINES:
        estimator = ENGINES[engine, model](**estimator.get_params())
    return Pipeline([*steps, ("model", estimator)])


def n_epochs(model: str, settings: Mapping[str, Any]) -> int | None:
    """How many epochs the model learns by, one `partial_fit` after another; None when it learns by one `fit`."""
    return (
        None
        if settings.get("solver") == "lbfgs" or model not in ("sgd", "softmax", "mlp")
        else settings["epochs"]
    )
