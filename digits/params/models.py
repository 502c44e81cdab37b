"""The section `models` of `params.yaml`: the settings of each family, under its name."""

from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from digits.params.fields import (
    Folds,
    Fraction,
    NotNegative,
    Number,
    Positive,
    PositiveNumber,
    Section,
)
from digits.params.messages import list_fields


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


def _scale_or_positive(value: Any) -> Any:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if value != "scale" and not (is_number and 0 < value < float("inf")):
        raise ValueError("allowed are scale and numbers above 0")
    return value


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


class FewLabels(Section):
    labels: Annotated[int, Field(ge=10)]
    share: Fraction
    C: PositiveNumber


class Mlp(Section):
    hidden_layers: Annotated[list[Positive], Field(min_length=1)]
    batch_size: Positive
    learning_rate: PositiveNumber
    alpha: NotNegative
    epochs: Positive


class _Members(Section):
    """The models that take part, each with settings of its own."""

    @model_validator(mode="after")
    def _at_least_two(self) -> Self:
        if len(members := self.model_dump()) < 2:
            raise ValueError(
                f"members are {', '.join(members) or 'none'}, "
                f"allowed are two or more of {list_fields(type(self))}"
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
    folds: Folds
    final: Forest


class Models(Section):
    """The families that `train.model` may name, in the order of the book."""

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


MODELS = tuple(Models.model_fields)
