"""What holds of each transformer of images that measures them, whatever it measures."""

from types import ModuleType

import joblib
import numpy as np
import pytest
from numpy.typing import DTypeLike, NDArray

from digits.data.loaders import digits_8x8
from digits.features import gradients, scattering
from digits.features.base import ImageTransformer
from digits.features.gradients import Gradients
from digits.features.scattering import Scattering

DIGITS = np.kron(digits_8x8().images[:30], np.ones((1, 3, 3), np.uint8))  # 24 x 24
TRANSFORMERS = [Gradients(), Scattering()]
each = pytest.mark.parametrize("transformer", TRANSFORMERS)


def features_of(transformer: ImageTransformer, pictures: NDArray) -> NDArray[np.float32]:
    features: NDArray[np.float32] = transformer.fit_transform(pictures.reshape(len(pictures), -1))
    return features


@each
@pytest.mark.parametrize("factor", [2.0, 0.5, 3.0, 1 / 255])
def test_twice_the_ink_is_twice_the_output(transformer: ImageTransformer, factor: float) -> None:
    expected = factor * features_of(transformer, DIGITS)
    np.testing.assert_allclose(
        features_of(transformer, factor * DIGITS), expected, rtol=0, atol=1e-6 * expected.max()
    )


@each
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_the_type_of_the_numbers_does_not_matter(
    transformer: ImageTransformer, dtype: DTypeLike
) -> None:
    features = features_of(transformer, DIGITS)
    assert features.dtype == np.float32 and features.min() >= 0
    np.testing.assert_array_equal(features_of(transformer, DIGITS.astype(dtype)), features)


@pytest.mark.parametrize(
    ("transformer", "module"), list(zip(TRANSFORMERS, (gradients, scattering), strict=True))
)
@pytest.mark.parametrize("batch", [1, 2, 7, len(DIGITS), 1000])
@pytest.mark.parametrize("threads", [1, 2])
def test_features_do_not_depend_on_batches_and_threads(
    monkeypatch: pytest.MonkeyPatch,
    transformer: ImageTransformer,
    module: ModuleType,
    batch: int,
    threads: int,
) -> None:
    expected = features_of(transformer, DIGITS)
    monkeypatch.setattr(module, "BATCH", batch)
    with joblib.parallel_config(backend="threading", n_jobs=threads):
        np.testing.assert_array_equal(features_of(transformer, DIGITS), expected)
