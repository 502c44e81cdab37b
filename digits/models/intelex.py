"""An SVM fitted by scikit-learn-intelex: faster on x86 processors, the same but for rounding.

The package is imported only when it is used. What it fitted is kept as scikit-learn keeps it, so
a model can be loaded where the package is not installed.
"""

from types import ModuleType
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from digits.common.errors import BadInput
from digits.common.extras import install_command
from digits.models.svm import MatrixSVC

# Attributes of a fitted SVC of scikit-learn, and their types; None: as they are.
LEARNED: dict[str, Any] = {
    "classes_": None,
    "class_weight_": None,
    "n_features_in_": None,
    "shape_fit_": None,
    "fit_status_": None,
    "n_iter_": np.int32,
    "support_": np.int32,
    "_n_support": np.int32,
    "support_vectors_": np.float64,
    "dual_coef_": np.float64,
    "_dual_coef_": np.float64,
    "intercept_": np.float64,
    "_intercept_": np.float64,
    "_gamma": None,
    "_sparse": None,
}


class IntelexSVC(MatrixSVC):
    """`MatrixSVC` fitted by scikit-learn-intelex."""

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Fit as SVC does. Raises BadInput when the package is not installed."""
        # Fitting does not depend on the shape, but refuses one that scikit-learn does not know.
        settings = self.get_params() | {"decision_function_shape": "ovr"}
        fitted = _svm().SVC(**settings).fit(np.asarray(X, np.float64), y, sample_weight)
        for name, dtype in LEARNED.items():
            value = getattr(fitted, name)
            setattr(self, name, value if dtype is None else np.ascontiguousarray(value, dtype))
        self._num_iter = self.n_iter_
        self._probA = np.empty(0)
        self._probB = np.empty(0)
        self._effective_probability = False
        return self


def _svm() -> ModuleType:
    """Import the package and return its module svm."""
    try:
        import sklearnex.svm
    except ImportError as error:
        raise BadInput(
            "train.engine is intelex, but scikit-learn-intelex is not installed: allowed is "
            f"scikit-learn, or first {install_command('sklearnex')}."
        ) from error
    return sklearnex.svm
