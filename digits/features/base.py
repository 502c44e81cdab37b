"""Rows of pixels as pictures again."""

import math
from collections.abc import Callable
from typing import Any

import joblib
import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted, validate_data


class ImageTransformer(TransformerMixin, BaseEstimator):
    """A transformer that learns nothing and works on pictures: subclasses say what `transform` does.

    Parameters: `shape` (height, width) of the pictures that the rows of X hold; None takes the most nearly square picture with that
    number of pixels, which for square ones is theirs.
    """

    def __init__(self, shape: tuple[int, int] | None = None) -> None:
        self.shape = shape

    def fit(self, X: ArrayLike, y: ArrayLike | None = None) -> Any:  # noqa: ARG002 (scikit-learn's signature)
        """Check X (n, height * width) and learn nothing but its width.

        Raises ValueError when `shape` has another number of pixels.
        """
        validate_data(self, X)
        height, width = self._shape()
        if height * width != self.n_features_in_:
            raise ValueError(f"shape is {self.shape}, but X has {self.n_features_in_} pixels")
        return self

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]  # what comes out, whatever goes in
        return tags

    def _pictures(self, X: ArrayLike) -> NDArray[np.float32]:
        """X as float32 (n, height, width)."""
        check_is_fitted(self, "n_features_in_")
        pixels: NDArray = validate_data(self, X, reset=False)
        return pixels.reshape(len(pixels), *self._shape()).astype(np.float32)

    def _in_batches(
        self, X: ArrayLike, function: Callable[[NDArray], NDArray], batch: int
    ) -> NDArray[np.float32]:
        """What a function makes of X's pictures, `batch` of them at a time on all threads: a row for each."""
        images = self._pictures(X)
        first = function(images[:1])
        out = np.empty((len(images), *first.shape[1:]), np.float32)

        def fill(start: int) -> None:
            out[start : start + batch] = function(images[start : start + batch])

        # Each picture by itself: neither the batches nor the threads change a bit of it.
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
