"""The engine intelex: without the package one sentence, with it scikit-learn's predictions."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.pipeline import Pipeline

from digits.common.errors import BadInput
from digits.data.loaders import digits_8x8
from digits.models.intelex import IntelexSVC
from digits.models.persistence import load_model, save_model
from digits.models.svm import MatrixSVC
from tests.imports import ROOT

INSTALLED = importlib.util.find_spec("sklearnex") is not None
N = 600  # training images
X, y = digits_8x8().images.reshape(-1, 64), digits_8x8().labels
Z = X / np.float32(255)
SETTINGS: dict[str, dict[str, Any]] = {
    "rbf": {"gamma": "scale"},
    "poly": {"kernel": "poly", "degree": 2, "gamma": 0.05, "coef0": 1.0},
    "linear": {"kernel": "linear", "C": 0.1},
}

without_it = pytest.mark.skipif(INSTALLED, reason="scikit-learn-intelex is installed")
with_it = pytest.mark.skipif(
    not INSTALLED, reason="scikit-learn-intelex is not installed: pip install '.[fast]'"
)


@without_it
def test_without_the_package_one_sentence_says_how_to_get_it() -> None:
    with pytest.raises(BadInput) as caught:
        IntelexSVC().fit(X[:N], y[:N])
    assert str(caught.value) == (
        "train.engine is intelex, but scikit-learn-intelex is not installed: allowed is "
        "scikit-learn, or first `pip install '.[fast]'`."
    )


def test_the_package_is_not_imported_with_the_module() -> None:
    code = (
        "import sys, digits.models.intelex; "
        "sys.exit(bool({'sklearnex', 'daal4py', 'onedal'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


@without_it
def test_what_was_fitted_with_the_package_answers_without_it(tmp_path: Path) -> None:
    fitted = MatrixSVC().fit(Z[:N], y[:N])
    model = IntelexSVC()
    model.__dict__.update(vars(fitted))
    save_model(Pipeline([("model", model)]), tmp_path / "model.skops")
    np.testing.assert_array_equal(
        load_model(tmp_path / "model.skops").decision_function(Z[N:]),
        fitted.decision_function(Z[N:]),
    )


@with_it
@pytest.mark.parametrize("five", [False, True], ids=["ten classes", "two classes"])
@pytest.mark.parametrize("kernel", SETTINGS)
def test_svm_is_that_of_scikit_learn(kernel: str, five: bool, tmp_path: Path) -> None:
    labels = y == 5 if five else y
    settings = {"C": 10.0, "tol": 1e-5, "decision_function_shape": "ovo"} | SETTINGS[kernel]
    model, expected = (kind(**settings).fit(Z[:N], labels[:N]) for kind in (IntelexSVC, MatrixSVC))
    assert len(np.setxor1d(model.support_, expected.support_)) <= 0.01 * len(expected.support_)
    np.testing.assert_allclose(
        model.decision_function(Z[N:]), expected.decision_function(Z[N:]), rtol=0, atol=1e-3
    )
    assert (
        model.predict(Z[N:]) != expected.predict(Z[N:])
    ).mean() < 0.002  # LIBSVM's own way, in C
    for one in (model, expected):
        one.decision_function_shape = "ovr"
    assert (model.predict(Z[N:]) != expected.predict(Z[N:])).mean() < 0.002
    assert vars(model).keys() == vars(expected).keys()
    save_model(Pipeline([("model", model)]), tmp_path / "model.skops")
    loaded = load_model(tmp_path / "model.skops")
    np.testing.assert_array_equal(loaded.decision_function(Z[N:]), model.decision_function(Z[N:]))


@with_it
def test_weights_of_the_images_reach_the_svm() -> None:
    weights = np.linspace(0.01, 1, N)
    model, expected = (
        kind(tol=1e-5).fit(Z[:N], y[:N], weights) for kind in (IntelexSVC, MatrixSVC)
    )
    np.testing.assert_allclose(
        np.sort(np.abs(model.dual_coef_.ravel())),
        np.sort(np.abs(expected.dual_coef_.ravel())),
        atol=1e-2,
    )
