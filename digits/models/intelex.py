"""The same models computed by scikit-learn-intelex: faster on x86 processors, the same results but for rounding.

The package is imported only when it works: what it fitted is kept as scikit-learn's own, and loads where it is not installed.
"""

from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from digits.common.errors import BadInput
from digits.models.neighbors import PixelNeighborsClassifier
from digits.models.svm import MatrixSVC

# What a fitted SVC has learned, by scikit-learn's names, and of what type; None as it is.
LEARNED: dict[str, Any] = {
    "classes_": None, "class_weight_": None, "n_features_in_": None, "shape_fit_": None, "fit_status_": None, "n_iter_": np.int32,
    "support_": np.int32, "_n_support": np.int32, "support_vectors_": np.float64, "dual_coef_": np.float64,
    "_dual_coef_": np.float64, "intercept_": np.float64, "_intercept_": np.float64, "_gamma": None, "_sparse": None,
}  # fmt: skip


class IntelexSVC(MatrixSVC):
    """`MatrixSVC` fitted by scikit-learn-intelex."""

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Any:
        """As SVC's. Raises BadInput when the package is not installed."""
        settings = self.get_params() | {
            "decision_function_shape": "ovr"
        }  # which fitting does not ask for
        fitted = _sklearnex("svm").SVC(**settings).fit(np.asarray(X, np.float64), y, sample_weight)
        for name, dtype in LEARNED.items():
            value = getattr(fitted, name)
            setattr(self, name, value if dtype is None else np.ascontiguousarray(value, dtype))
        self._num_iter, self._probA, self._probB, self._effective_probability = (
            self.n_iter_,
            np.empty(0),
            np.empty(0),
            False,
        )
        return self


class IntelexNeighborsClassifier(PixelNeighborsClassifier):
    """`PixelNeighborsClassifier` that searches by scikit-learn-intelex; where that is not installed, a fitted one still answers."""

    def fit(self, X: ArrayLike, y: ArrayLike) -> Any:
        """As KNeighborsClassifier's. Raises BadInput when the package is not installed."""
        _sklearnex("neighbors")
        return super().fit(X, y)

    def _search(
        self, train: NDArray[np.float32], queries: NDArray[np.float32], k: int
    ) -> tuple[NDArray, NDArray]:
        try:
            neighbors = _sklearnex("neighbors")
        except BadInput:
            return super()._search(train, queries, k)
        return (
            neighbors.NearestNeighbors(n_neighbors=k, algorithm="brute")
            .fit(train)
            .kneighbors(queries)
        )


def _sklearnex(module: str) -> ModuleType:
    try:
        import sklearnex.neighbors
        import sklearnex.svm
    except ImportError as error:
        raise BadInput(
            "train.engine is intelex, but scikit-learn-intelex is not installed: allowed is scikit-learn, or first "
            "`.venv/bin/python -m pip install '.[fast]'`."
        ) from error
    return {"svm": sklearnex.svm, "neighbors": sklearnex.neighbors}[module]
