"""The schema of `params.yaml`: the whole file is checked before any stage works."""

import re
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)

from digits.common.dvc_yaml import parse_yaml
from digits.common.errors import BadInput
from digits.data.catalogue import SOURCES, allowed_datasets, find_source
from digits.features.catalogue import REPRESENTATIONS, SCALES
from digits.params.messages import did_you_mean, list_fields, sentence

Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]

Positive = Annotated[int, Field(ge=1)]

Number = Annotated[float, Field(allow_inf_nan=False)]

NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]

PositiveNumber = Annotated[float, Field(gt=0, allow_inf_nan=False)]

Share = Annotated[float, Field(gt=0, lt=1)]

Model = Literal[
    "sgd",
    "softmax",
    "knn",
    "svm",
    "forest",
    "extra_trees",
    "boosting",
    "voting",
    "stacking",
    "few_labels",
    "mlp",
]  # in the order of the book


class Section(BaseModel):
    # Strict: "4" is no number and `true` is no seed; nothing is read as what it does not say.
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


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


class Fetch(Section):
    dataset: Annotated[str, AfterValidator(_known_dataset)]
    sha256: Annotated[str, AfterValidator(_digest)] | None

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
    folds: Annotated[int, Field(ge=2, le=100)]  # fold.npy is int8
    seed: Seed


class Elastic(Section):
    copies: Annotated[int, Field(ge=0)]
    alpha: NotNegative
    sigma: PositiveNumber
    rotation: NotNegative
    scale: NotNegative
    shear: NotNegative
    shift: NotNegative


def _but(nothing: Any) -> AfterValidator:
    def check(value: Any) -> Any:
        if value == nothing:
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
    if len(names) != len({str(name) for name in names}) or len(names) < 1:
        raise ValueError("allowed is one representation or a list of several different ones")
    for name in names:
        if not isinstance(name, str) or name not in REPRESENTATIONS:
            near = did_you_mean(str(name), REPRESENTATIONS)
            raise ValueError(
                f"allowed are {', '.join(REPRESENTATIONS)}, or a list of several{near}"
            )
    return value


def _known_scale(value: Any) -> Any:
    if not isinstance(value, str) or value not in SCALES:
        raise ValueError(f"allowed are {', '.join(SCALES)}{did_you_mean(str(value), SCALES)}")
    return value


def _ascending(value: list[float]) -> list[float]:
    if any(share <= before for before, share in pairwise(value)):
        raise ValueError("allowed are shares that ascend, each larger than the one before")
    return value


class Train(Section):
    model: Model
    features: Annotated[Any, AfterValidator(_one_or_several)]
    scale: Annotated[Any, AfterValidator(_known_scale)]
    components: Annotated[int, Field(ge=0)]
    clusters: Annotated[int, Field(ge=0)]
    copies: Literal["all", "support_vectors", "none"]
    engine: Literal["scikit-learn", "intelex"]
    validate_: Literal["holdout", "cross_validation", "none"] = Field(alias="validate")
    train_sizes: Annotated[list[Annotated[float, Field(gt=0, le=1)]], AfterValidator(_ascending)]
    seed: Seed

    @model_validator(mode="after")
    def _what_the_model_can(self) -> Self:
        if self.copies == "support_vectors" and self.model != "svm":
            raise ValueError(
                f"copies is support_vectors, but model is {self.model}: allowed are all and none, as svm alone has them"
            )
        if self.engine == "intelex" and self.model not in ("knn", "svm"):
            raise ValueError(
                f"engine is intelex, but model is {self.model}: allowed with knn and svm"
            )
        if self.train_sizes and self.validate_ == "none":
            raise ValueError(
                f"train_sizes is {self.train_sizes}, but validate is none: allowed is [], or validate holdout or cross_validation"
            )
        return self


def _scale_or_positive(value: Any) -> Any:
    if value != "scale" and (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not 0 < value < float("inf")
    ):
        raise ValueError("allowed are scale and numbers above 0")
    return value


class Sgd(Section):
    loss: Literal["hinge", "log_loss"]
    alpha: PositiveNumber
    max_iter: Positive
    tol: PositiveNumber
    epochs: Positive | None


class Softmax(Section):
    solver: Literal["sgd", "lbfgs"]
    batch_size: Positive
    learning_rate: PositiveNumber
    alpha: NotNegative
    epochs: Positive


class Knn(Section):
    n_neighbors: Positive
    weights: Literal["distance", "uniform"]


class Svm(Section):
    kernel: Literal["rbf", "poly", "linear"]
    C: PositiveNumber
    gamma: Annotated[Any, AfterValidator(_scale_or_positive)]
    degree: Positive
    coef0: Number


class Forest(Section):
    n_estimators: Positive
    max_depth: Positive | None
    min_samples_leaf: Positive


class Boosting(Section):
    learning_rate: PositiveNumber
    max_iter: Positive
    max_leaf_nodes: Annotated[int, Field(ge=2)]
    l2_regularization: NotNegative


class Mlp(Section):
    hidden_layers: Annotated[list[Positive], Field(min_length=1)]
    batch_size: Positive
    learning_rate: PositiveNumber
    alpha: NotNegative
    epochs: Positive


class FewLabels(Section):
    labels: Annotated[int, Field(ge=10)]
    share: Annotated[float, Field(gt=0, le=1)]
    C: PositiveNumber


class _Members(Section):
    """The models that take part, each with settings of its own."""

    @model_validator(mode="after")
    def _several(self) -> Self:
        if len(members := self.model_dump()) < 2:
            raise ValueError(
                f"members are {', '.join(members) or 'none'}, allowed are two or more of {list_fields(type(self))}"
            )
        return self

    @model_serializer(mode="wrap")
    def _only_those_given(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: settings for name, settings in dump(self).items() if settings is not None}


class Voters(_Members):
    softmax: Softmax | None = None
    knn: Knn | None = None
    forest: Forest | None = None
    extra_trees: Forest | None = None
    boosting: Boosting | None = None
    mlp: Mlp | None = None


class Stacked(Voters):
    sgd: Sgd | None = None
    svm: Svm | None = None


class Voting(Section):
    members: Voters


class Stacking(Section):
    members: Stacked
    folds: Annotated[int, Field(ge=2, le=100)]
    final: Forest


class Models(Section):
    sgd: Sgd
    softmax: Softmax
    knn: Knn
    svm: Svm
    forest: Forest
    extra_trees: Forest
    boosting: Boosting
    voting: Voting
    stacking: Stacking
    few_labels: FewLabels
    mlp: Mlp


class Robustness(Section):
    images: Annotated[int, Field(ge=0)]
    shifts: list[Positive]
    rotations: list[PositiveNumber]


class Evaluate(Section):
    precision_target: Share
    confidence: Share
    robustness: Robustness


def _no_other_number(value: Any) -> Any:
    # To Python, and so to a Literal, `true` and 1.0 are 1.
    if isinstance(value, bool | float):
        raise ValueError("allowed are digit and the numbers 0 to 9")
    return value


class Params(Section):
    """All of `params.yaml`. Every key is required: the file, not the code, says what an experiment was."""

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
        """The parameters that shape this experiment: of `models`, only the chosen one."""
        values = self.model_dump(by_alias=True)
        values["models"] = {self.train.model: self.model_settings}
        return values


def read_params(path: Path) -> Params:
    """Read and validate a `params.yaml`. Raises BadInput as `parse_params`, and when it cannot be read."""
    try:
        return parse_params(path.read_bytes(), path.name)
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}.") from error


def parse_params(text: str | bytes, name: str = "params.yaml") -> Params:
    """Validate the text of a `params.yaml` whole.

    Raises BadInput, a sentence for each mistake: the key, its value, what is allowed, the nearest right name.
    """
    values = parse_yaml(text, name)
    if not isinstance(values, dict):
        raise BadInput(
            f"{name} holds {type(values).__name__}, allowed is a mapping with the sections {list_fields(Params)}."
        )
    try:
        return Params.model_validate(values)
    except ValidationError as error:
        raise BadInput(
            "\n".join(f"{name}: {sentence(e, Params)}" for e in error.errors())
        ) from None
