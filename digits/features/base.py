"""Base class of transformers of images."""

import math
from collections.abc import Callable
from typing import Any, Self

import joblib
import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted, validate_data


class ImageTransformer(TransformerMixin, BaseEstimator):
    """A transformer of images that learns nothing.

    Subclasses define `transform`, each image by itself.

    Parameters
    ----------
    shape : (height, width) or None
        Of the images that the rows of X hold, in pixels. None takes the most nearly square one
        with that number of pixels, which for square images is theirs.
    """

    def __init__(self, shape: tuple[int, int] | None = None) -> None:
        self.shape = shape

    def fit(self, X: ArrayLike, y: Any = None) -> Self:  # noqa: ARG002 (scikit-learn's signature)
        """Check X (n, height * width); learn nothing but its width.

        Raises
        ------
        ValueError
            When `shape` has another number of pixels.
        """
        validate_data(self, X)
        height, width = self._shape()
        if height * width != self.n_features_in_:
            raise ValueError(f"shape is {self.shape}, but X has {self.n_features_in_} pixels")
        return self

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]  # comes out, whatever goes in
        return tags

    def _in_batches(
        self, X: ArrayLike, function: Callable[[NDArray[np.float32]], NDArray], batch: int
    ) -> NDArray[np.float32]:
        """Apply a function to X's images, a batch at a time on all threads; a row for each.

        It is given them as float32 (n, height, width).
        """
        check_is_fitted(self, "n_features_in_")
        pixels: NDArray = validate_data(self, X, reset=False)
        images = pixels.reshape(len(pixels), *self._shape())

        def apply(start: int, stop: int) -> NDArray:
            return function(images[start:stop].astype(np.float32))

        out = np.empty((len(images), *apply(0, 1).shape[1:]), np.float32)

        def fill(start: int) -> None:
            out[start : start + batch] = apply(start, start + batch)

        # Each image is transformed by itself: batches and threads do not change a bit of it.
        joblib.Parallel(require="sharedmem")(
            joblib.delayed(fill)(start) for start in range(0, len(images), batch)
        )
        return out.reshape(len(images), -1)

    def _shape(self) -> tuple[int, int]:
        if self.shape is not None:
            return self.shape
        pixels = self.n_features_in_
        height = next(h for h in range(math.isqrt(pixels), 0, -1) if pixels % h == 0)
        return height, pixels // height
