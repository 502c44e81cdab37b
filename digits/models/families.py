"""The table of model families, and how a pipeline is made of a family and a representation."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
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
from digits.models.intelex import IntelexSVC
from digits.models.neighbors import PixelNeighborsClassifier
from digits.models.svm import MatrixSVC
from digits.params.schema import Train


@dataclass(frozen=True)
class Family:
    """A kind of model.

    Attributes
    ----------
    estimator : type
        Its class.
    arguments : callable
        From the seed and the settings of params.yaml to the class's keyword arguments.
    by_epochs : bool
        Whether it learns by epochs of `partial_fit`.
    engines : mapping of str to type
        Classes with the same arguments that compute the same otherwise, by `train.engine`.
    """

    estimator: type[BaseEstimator]
    arguments: Callable[..., dict[str, Any]]
    by_epochs: bool = False
    engines: Mapping[str, type[BaseEstimator]] = field(default_factory=dict)

    def make(self, seed: int, settings: Mapping[str, Any], engine: str = "") -> BaseEstimator:
        """Return an unfitted estimator with the settings of params.yaml."""
        estimator = self.engines.get(engine, self.estimator)
        return estimator(**self.arguments(seed, **settings))


def _seeded(seed: int, **settings: Any) -> dict[str, Any]:
    return {"random_state": seed, **settings}


def _sgd(seed: int, epochs: int | None, **settings: Any) -> dict[str, Any]:  # noqa: ARG001
    # epochs is for n_epochs
    return _seeded(seed, **settings)


def _network(seed: int, learning_rate: float, epochs: int, **settings: Any) -> dict[str, Any]:
    return _seeded(seed, learning_rate_init=learning_rate, max_iter=epochs, **settings)


def _softmax(seed: int, **settings: Any) -> dict[str, Any]:
    no_momentum = {"momentum": 0, "nesterovs_momentum": False}
    return _network(seed, hidden_layer_sizes=(), **no_momentum, **settings)


def _mlp(seed: int, hidden_layers: Sequence[int], **settings: Any) -> dict[str, Any]:
    return _network(seed, hidden_layer_sizes=tuple(hidden_layers), solver="adam", **settings)


def _knn(seed: int, **settings: Any) -> dict[str, Any]:  # noqa: ARG001 (it draws nothing)
    return {"algorithm": "brute", **settings}


def _svm(seed: int, **settings: Any) -> dict[str, Any]:  # noqa: ARG001 (it draws nothing)
    return {"cache_size": 1000, "decision_function_shape": "margin", **settings}


def _boosting(seed: int, **settings: Any) -> dict[str, Any]:
    return _seeded(seed, early_stopping=False, **settings)


def _voting(seed: int, members: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {"estimators": _make_members(seed, members), "voting": "soft"}


def _stacking(
    seed: int, members: Mapping[str, Mapping[str, Any]], folds: int, final: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        "estimators": _make_members(seed, members),
        "final_estimator": FAMILIES["forest"].make(seed, final),
        "cv": folds,
    }


def _make_members(
    seed: int, members: Mapping[str, Mapping[str, Any]]
) -> list[tuple[str, BaseEstimator]]:
    return [(name, FAMILIES[name].make(seed, settings)) for name, settings in members.items()]


# The keys are the sections of `models` in params.yaml. n_jobs stays None everywhere: the number of
# threads is the caller's business (common/resources.py) and must not be in the saved model.
FAMILIES: dict[str, Family] = {
    "sgd": Family(SGDClassifier, _sgd, by_epochs=True),
    "softmax": Family(MLPClassifier, _softmax, by_epochs=True),
    "knn": Family(PixelNeighborsClassifier, _knn),
    "svm": Family(MatrixSVC, _svm, engines={"intelex": IntelexSVC}),
    "forest": Family(RandomForestClassifier, _seeded),
    "extra_trees": Family(ExtraTreesClassifier, _seeded),
    "boosting": Family(HistGradientBoostingClassifier, _boosting),
    "voting": Family(VotingClassifier, _voting),
    "stacking": Family(StackingClassifier, _stacking),
    "few_labels": Family(FewLabelsClassifier, _seeded),
    "mlp": Family(MLPClassifier, _mlp, by_epochs=True),
}


@dataclass(frozen=True)
class PipelineOptions:
    """What comes before the model in a pipeline, and what computes the model.

    Attributes
    ----------
    features : str or sequence of str
        A key of REPRESENTATIONS, or several: then the model is a committee of one on each.
    shape : (height, width) or None
        Of the images, in pixels; None for square ones.
    scale : str
        A key of SCALES.
    components : int or sequence of int
        Of the PCA; 0 for none; several: of each member of the committee.
    clusters : int
        Centres of the k-means whose distances are taken instead; 0 for none.
    engine : str
        "scikit-learn", or one of the family's engines.
    """

    features: str | Sequence[str] = "pixels"
    shape: tuple[int, int] | None = None
    scale: str = "none"
    components: int | Sequence[int] = 0
    clusters: int = 0
    engine: str = "scikit-learn"

    @classmethod
    def from_params(cls, train: Train, shape: tuple[int, int]) -> "PipelineOptions":
        """Return what the section `train` of params.yaml says, for images of a shape."""
        return cls(
            train.features, shape, train.scale, train.components, train.clusters, train.engine
        )

    def members(self) -> list[tuple[str, int]]:
        """Return representation and components of each of the committee; of one model, its own."""
        names = [self.features] if isinstance(self.features, str) else self.features
        if isinstance(self.components, int):
            return [(name, self.components) for name in names]
        return list(zip(names, self.components, strict=True))


PIXELS_ALONE = PipelineOptions()


def make_pipeline(
    model: str, settings: Mapping[str, Any], seed: int, options: PipelineOptions = PIXELS_ALONE
) -> Pipeline:
    """Return an unfitted pipeline.

    Its steps are features, scale, PCA, distances to k-means centres and model, without those that
    are off.

    Parameters
    ----------
    model : str
        A key of FAMILIES.
    settings : mapping
        Of the model, as in its section of params.yaml.
    seed : int
        The random_state of all that draws.
    options : PipelineOptions
        What comes before the model.
    """
    if not isinstance(options.features, str):
        members = []
        for name, n in options.members():
            own = replace(options, features=name, components=n)
            members.append((name, make_pipeline(model, settings, seed, own)))
        return Pipeline([("committee", Committee(members))])
    [(features, components)] = options.members()
    steps = [*make_steps(features, options.shape), *make_scaler(options.scale)]
    if components:
        steps.append(("pca", PCA(components, svd_solver="covariance_eigh")))
    if options.clusters:
        steps.append(("clusters", KMeans(options.clusters, n_init=1, random_state=seed)))
    estimator = FAMILIES[model].make(seed, settings, options.engine)
    return Pipeline([*steps, ("model", estimator)])


def n_epochs(model: str, settings: Mapping[str, Any]) -> int | None:
    """Return by how many epochs of `partial_fit` a model learns; None when it learns by one `fit`.

    Parameters
    ----------
    model : str
        A key of FAMILIES.
    settings : mapping
        Of the model, as in its section of params.yaml.
    """
    if not FAMILIES[model].by_epochs or settings.get("solver") == "lbfgs":
        return None
    return settings["epochs"]
