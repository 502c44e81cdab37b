"""What the sections of `params.yaml` are made of: their base class and the types of values."""

from collections.abc import Collection
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from digits.params.messages import did_you_mean


class Section(BaseModel):
    """A section: no other keys, no value converted, none changed after it was read.

    Strict: "4" is no number and `true` is no seed; nothing is read as what it does not say.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]
Positive = Annotated[int, Field(ge=1)]
NotNegativeInt = Annotated[int, Field(ge=0)]
Folds = Annotated[int, Field(ge=2, le=100)]  # fold.npy is int8

Number = Annotated[float, Field(allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
PositiveNumber = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(gt=0, le=1)]
ProperFraction = Annotated[float, Field(gt=0, lt=1)]


def one_of(names: Collection[str]) -> BeforeValidator:
    """Return a validator of a string that must be one of some names."""

    def check(value: Any) -> Any:
        if not isinstance(value, str) or value not in names:
            raise ValueError(f"allowed are {', '.join(names)}{did_you_mean(value, names)}")
        return value

    return BeforeValidator(check)
