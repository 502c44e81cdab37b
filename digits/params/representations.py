"""The table of representations: what is computed of an image before the model sees it.

Every stage reads this table, by the schema of params.yaml. So it imports no transformer: each is
named as "module:name" and imported when it is made.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pkgutil import resolve_name
from typing import Any


@dataclass(frozen=True)
class Step:
    """One transformer of a scikit-learn pipeline.

    Attributes
    ----------
    name : str
        Of the step in the pipeline.
    target : str
        What makes the transformer, as "module:name".
    settings : mapping
        Its keyword arguments.
    """

    name: str
    target: str
    settings: Mapping[str, Any] = field(default_factory=dict)

    def make(self, **more: Any) -> tuple[str, Any]:
        """Return the step's name and a new transformer, given more keyword arguments."""
        return self.name, resolve_name(self.target)(**self.settings, **more)


@dataclass(frozen=True)
class Entry:
    """A value of `train.features` or `train.scale`: one line on it, and the steps that it means."""

    summary: str
    steps: tuple[Step, ...] = ()


_DESKEW = Step("deskew", "digits.features.deskew:Deskew")
_NORMALIZE = Step("normalize", "digits.features.deskew:Deskew", {"resize": True})
_SCATTERING = Step("scattering", "digits.features.scattering:Scattering")
_GRADIENTS = Step("gradients", "digits.features.gradients:Gradients")

# Transformers of images: each is given the images' shape.
REPRESENTATIONS: dict[str, Entry] = {
    "pixels": Entry("the pixels themselves"),
    "deskewed": Entry("upright and centred", (_DESKEW,)),
    "normalized": Entry("upright, centred and of one size", (_NORMALIZE,)),
    "scattering": Entry("49 maps of wavelet moduli", (_SCATTERING,)),
    "deskewed_scattering": Entry("scattering of deskewed images", (_DESKEW, _SCATTERING)),
    "normalized_scattering": Entry("scattering of normalized images", (_NORMALIZE, _SCATTERING)),
    "gradients": Entry("gradients in 12 directions, on a grid of 8 x 8", (_GRADIENTS,)),
    "deskewed_gradients": Entry("gradients of deskewed images", (_DESKEW, _GRADIENTS)),
    "normalized_gradients": Entry("gradients of normalized images", (_NORMALIZE, _GRADIENTS)),
}

SCALES: dict[str, Entry] = {
    "none": Entry("as it is"),
    "unit": Entry("divided by 255", (Step("scale", "digits.features.scaling:make_unit_scaler"),)),
    "standard": Entry(
        "each feature to mean 0 and variance 1, without those that are always the same",
        (
            Step("float32", "digits.features.scaling:make_float32"),
            Step("varying", "sklearn.feature_selection:VarianceThreshold"),
            Step("scale", "sklearn.preprocessing:StandardScaler", {"copy": False}),
        ),
    ),
    "sqrt": Entry(
        "the square root of the absolute value, divided by 255 first",
        (Step("scale", "digits.features.scaling:make_sqrt_scaler"),),
    ),
    "length": Entry(
        "each image's features divided by their length",
        (Step("scale", "digits.features.scaling:make_length_scaler"),),
    ),
}
