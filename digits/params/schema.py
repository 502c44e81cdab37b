"""The schema of `params.yaml`: the whole file is checked before any stage works."""

import re
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, model_validator

from digits.common.dvc_yaml import parse_yaml
from digits.common.errors import BadInput
from digits.params.datasets import EXTRA, SOURCES, allowed_datasets, find_source
from digits.params.fields import (
    Folds,
    Fraction,
    NotNegative,
    NotNegativeInt,
    Number,
    Positive,
    PositiveNumber,
    ProperFraction,
    Section,
    Seed,
    one_of,
)
from digits.params.messages import did_you_mean, list_fields, sentence
from digits.params.models import MODELS, Models
from digits.params.representations import REPRESENTATIONS, SCALES

WITH_INTELEX = ("svm",)  # the models that scikit-learn-intelex computes


def _known_dataset(value: str) -> str:
    if not find_source(value):
        names = allowed_datasets()
        near = did_you_mean(value, [name for name in names if ":" not in name])
        raise ValueError(f"allowed are {', '.join(names)}{near}")
    return value


def _digest(value: str) -> str:
    if not re.fullmatch("[0-9a-f]{64}", value):
        raise ValueError("allowed: null or the 64 hexadecimal digits that `fetch` printed")
    return value


def _known_extra(value: str) -> str:
    found = find_source(value)
    if not found or found[0].name != EXTRA:
        raise ValueError(f"allowed are null and {EXTRA}")
    return value


class Fetch(Section):
    dataset: Annotated[str, AfterValidator(_known_dataset)]
    sha256: Annotated[str, AfterValidator(_digest)] | None
    extra: Annotated[str, AfterValidator(_known_extra)] | None

    @model_validator(mode="after")
    def _only_of_ones_own(self) -> Self:
        found = find_source(self.dataset)
        if self.sha256 is not None and found and found[0].sha256:
            own = " or ".join(source.name for source in SOURCES if not source.sha256)
            raise ValueError(
                f"sha256 is set, but {self.dataset} is pinned already: "
                f"allowed is null, or a dataset of {own}"
            )
        return self


class Split(Section):
    strategy: Literal["canonical", "shuffled"]
    folds: Folds
    seed: Seed


class Elastic(Section):
    copies: NotNegativeInt
    alpha: NotNegative
    sigma: PositiveNumber
    rotation: NotNegative
    scale: NotNegative
    shear: NotNegative
    shift: NotNegative


def _but(identity: Any) -> AfterValidator:
    """Refuse the value that would leave every image as it is."""

    def check(value: Any) -> Any:
        if value == identity:
            raise ValueError("it would only repeat the originals; allowed is anything else")
        return value

    return AfterValidator(check)


class Augment(Section):
    shifts: list[Annotated[list[int], Field(min_length=2, max_length=2), _but([0, 0])]]
    rotations: list[Annotated[Number, _but(0)]]
    scales: list[Annotated[PositiveNumber, _but(1)]]
    shears: list[Annotated[Number, _but(0)]]
    elastic: Elastic
    seed: Seed


def _one_or_several(value: Any) -> Any:
    names = value if isinstance(value, list) else [value]
    if not names:
        raise ValueError("allowed is one representation or a list of several different ones")
    for name in names:
        if not isinstance(name, str) or name not in REPRESENTATIONS:
            near = did_you_mean(name, REPRESENTATIONS)
            raise ValueError(
                f"allowed are {', '.join(REPRESENTATIONS)}, or a list of several{near}"
            )
    if len(set(names)) < len(names):
        raise ValueError("allowed is one representation or a list of several different ones")
    return value


def _counts(value: Any) -> Any:
    numbers = value if isinstance(value, list) else [value]
    if not numbers or any(type(number) is not int or number < 0 for number in numbers):
        raise ValueError("allowed is an integer, at least 0, or a list of one for each of features")
    return value


def _ascending(value: list[float]) -> list[float]:
    if any(share <= before for before, share in pairwise(value)):
        raise ValueError("allowed are shares that ascend, each larger than the one before")
    return value


class Train(Section):
    model: Annotated[str, one_of(MODELS)]
    features: Annotated[Any, AfterValidator(_one_or_several)]
    scale: Annotated[str, one_of(SCALES)]
    components: Annotated[Any, AfterValidator(_counts)]
    clusters: NotNegativeInt
    copies: Literal["all", "support_vectors", "none"]
    engine: Literal["scikit-learn", "intelex"]
    validate_: Literal["holdout", "cross_validation", "none"] = Field(alias="validate")
    train_sizes: Annotated[list[Fraction], AfterValidator(_ascending)]
    seed: Seed

    @model_validator(mode="after")
    def _components_of_each_member(self) -> Self:
        if isinstance(self.components, list) and not (
            isinstance(self.features, list) and len(self.features) == len(self.components)
        ):
            raise ValueError(
                f"components is {self.components}, but features is {self.features}: "
                "allowed is one number, or a list of one for each of several features"
            )
        return self

    @model_validator(mode="after")
    def _possible_with_the_model(self) -> Self:
        if self.copies == "support_vectors" and self.model != "svm":
            raise ValueError(
                f"copies is support_vectors, but model is {self.model}: "
                "allowed are all and none, as svm alone has them"
            )
        if self.engine == "intelex" and self.model not in WITH_INTELEX:
            raise ValueError(
                f"engine is intelex, but model is {self.model}: "
                f"allowed with {' and '.join(WITH_INTELEX)}"
            )
        if self.train_sizes and self.validate_ == "none":
            raise ValueError(
                f"train_sizes is {self.train_sizes}, but validate is none: "
                "allowed is [], or validate holdout or cross_validation"
            )
        return self


class Robustness(Section):
    images: NotNegativeInt
    shifts: list[Positive]
    rotations: list[PositiveNumber]


class Evaluate(Section):
    precision_target: ProperFraction
    confidence: ProperFraction
    robustness: Robustness


def _no_other_number(value: Any) -> Any:
    # To Python, and so to a Literal, `true` and 1.0 are 1.
    # Of an integer of more than 64 bits pydantic says other words.
    if isinstance(value, bool | float) or (isinstance(value, int) and abs(value) >= 2**63):
        raise ValueError("allowed are digit and the numbers 0 to 9")
    return value


class Params(Section):
    """All of `params.yaml`. Every key is required: the file alone says what an experiment was."""

    target: Annotated[
        Literal["digit", 0, 1, 2, 3, 4, 5, 6, 7, 8, 9], BeforeValidator(_no_other_number)
    ]
    fetch: Fetch
    split: Split
    augment: Augment
    train: Train
    models: Models
    evaluate: Evaluate

    @property
    def model_settings(self) -> dict[str, Any]:
        """The chosen model's own section, as keyword arguments of its estimator."""
        section: Section = getattr(self.models, self.train.model)
        return section.model_dump()

    def effective(self) -> dict[str, Any]:
        """Return the parameters of this experiment: of `models`, only the chosen one's."""
        values = self.model_dump(by_alias=True)
        values["models"] = {self.train.model: self.model_settings}
        return values


def read_params(path: Path) -> Params:
    """Read and validate a `params.yaml`.

    Raises
    ------
    BadInput
        When it cannot be read, and as `parse_params`.
    """
    try:
        return parse_params(path.read_bytes(), path.name)
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}.") from error


def parse_params(text: str | bytes, name: str = "params.yaml") -> Params:
    """Validate the text of a whole `params.yaml`; `name` is the file's, for the message.

    Raises
    ------
    BadInput
        A sentence for each mistake: the key, its value, what is allowed, the nearest right name.
    """
    values = parse_yaml(text, name)
    if not isinstance(values, dict):
        raise BadInput(
            f"{name} holds {type(values).__name__}, "
            f"allowed is a mapping with the sections {list_fields(Params)}."
        )
    try:
        return Params.model_validate(values)
    except ValidationError as error:
        sentences = [f"{name}: {sentence(mistake, Params)}" for mistake in error.errors()]
        raise BadInput("\n".join(sentences)) from None
