"""The schema of `params.yaml`: the whole file is checked before any stage works."""

import difflib
import re
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from digits.errors import BadInput

Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]
Positive = Annotated[int, Field(ge=1)]
Number = Annotated[float, Field(allow_inf_nan=False)]
PositiveNumber = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(gt=0, lt=1)]
Model = Literal["sgd", "forest", "knn"]


class Section(BaseModel):
    # Strict: "4" is no number and `true` is no seed; nothing is read as what it does not say.
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Fetch(Section):
    dataset: Annotated[str, Field(pattern=r"^(mnist_784|digits_8x8|idx:.+)$")]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None

    @model_validator(mode="after")
    def _only_ones_own(self) -> Self:
        if self.sha256 is not None and not self.dataset.startswith("idx:"):
            raise ValueError(f"sha256 is set, but {self.dataset} is pinned already: allowed is null, or a dataset of idx:FOLDER")
        return self


class Split(Section):
    strategy: Literal["canonical", "shuffled"]
    folds: Annotated[int, Field(ge=2, le=100)]  # fold.npy is int8
    seed: Seed


class Elastic(Section):
    copies: Annotated[int, Field(ge=0)]
    alpha: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    sigma: PositiveNumber


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


class Train(Section):
    model: Model
    scale: Literal["none", "unit", "standard"]
    components: Annotated[int, Field(ge=0)]
    copies: Literal["all", "none"]
    validate_: Literal["holdout", "cross_validation", "none"] = Field(alias="validate")
    seed: Seed


class Sgd(Section):
    loss: Literal["hinge", "log_loss"]
    alpha: PositiveNumber
    max_iter: Positive
    tol: PositiveNumber


class Forest(Section):
    n_estimators: Positive
    max_depth: Positive | None
    min_samples_leaf: Positive


class Knn(Section):
    n_neighbors: Positive
    weights: Literal["distance", "uniform"]


class Models(Section):
    sgd: Sgd
    forest: Forest
    knn: Knn


class Evaluate(Section):
    precision_target: Share
    confidence: Share


def _no_other_number(value: Any) -> Any:
    # To Python, and so to a Literal, `true` and 1.0 are 1.
    if isinstance(value, bool | float):
        raise ValueError("allowed are digit and the numbers 0 to 9")
    return value


class Params(Section):
    """All of `params.yaml`. Every key is required: the file, not the code, says what an experiment was."""

    target: Annotated[Literal["digit", 0, 1, 2, 3, 4, 5, 6, 7, 8, 9], BeforeValidator(_no_other_number)]
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

    def that_matter(self) -> dict[str, Any]:
        """The parameters that shape this experiment: of `models`, only the chosen one."""
        values = self.model_dump(by_alias=True)
        values["models"] = {self.train.model: self.model_settings}
        return values


class _Yaml12(yaml.SafeLoader):
    """Scalars as YAML 1.2 has them.

    DVC reads and writes `params.yaml` as YAML 1.2, where 1e-4 is a number and 010 is ten. PyYAML follows YAML 1.1, where they are
    a string and eight: the lock would record one value and the stage would use another. For the same reason a key given twice is
    refused, as by DVC, and so is a header that asks for another version.
    """

    def process_directives(self) -> Any:
        if self.check_token(yaml.DirectiveToken):
            raise yaml.YAMLError("a % directive is not allowed")
        return super().process_directives()  # type: ignore[no-untyped-call]

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        mapping = super().construct_mapping(node, deep)
        if len(mapping) != len(node.value):
            keys = [self.construct_object(key) for key, _ in node.value]
            twice = next(key for key in keys if keys.count(key) > 1)
            raise yaml.constructor.ConstructorError(problem=f"the key {twice!r} stands there twice", problem_mark=node.start_mark)
        return mapping


_Yaml12.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+", list("-+0123456789")),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", list("-+.0123456789")),
):
    _Yaml12.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"(?:{_pattern})\Z"), _first)


def _whole_number(loader: _Yaml12, node: yaml.ScalarNode) -> int:
    return int(loader.construct_scalar(node))  # YAML 1.1's own constructor would still read 010 as octal


_Yaml12.add_constructor("tag:yaml.org,2002:int", _whole_number)


def parse_yaml(text: str, name: str) -> Any:
    """The values in a YAML text, read as DVC reads them; `name` is the file's, for the message.

    Raises BadInput when it is not YAML.
    """
    try:
        return yaml.load(text, _Yaml12)  # noqa: S506 (a SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise BadInput(f"{name}{line} is not valid YAML: {error.problem}.") from error
    except (yaml.YAMLError, ValueError, KeyError) as error:  # a control character, a tag on what it does not fit
        raise BadInput(f"{name} is not valid YAML: {' '.join(str(error).split())}.") from error


def parse_params(text: str, name: str = "params.yaml") -> Params:
    """Validate the text of a `params.yaml` whole.

    Raises BadInput, a sentence for each mistake: the key, its value, what is allowed, the nearest right name.
    """
    values = parse_yaml(text, name)
    if not isinstance(values, dict):
        raise BadInput(f"{name} holds {type(values).__name__}, allowed is a mapping with the sections {_names(Params)}.")
    try:
        return Params.model_validate(values)
    except ValidationError as error:
        raise BadInput("\n".join(f"{name}: {_sentence(e)}" for e in error.errors())) from None


def _sentence(error: ErrorDetails) -> str:
    """One of pydantic's errors as a sentence for the person who wrote the file."""
    *parents, last = error["loc"] or ("",)
    key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error["loc"]).lstrip(".")
    given = error["input"]
    match error["type"]:
        case "extra_forbidden":
            section = _section(parents)
            return f"{key} is not a key; allowed here: {_names(section)}{_nearest(str(last), _fields(section))}."
        case "missing":
            return f"{key} is missing; {'.'.join(map(str, parents)) or 'the file'} needs {_names(_section(parents))}."
        case "value_error":
            shown = "" if isinstance(given, dict) else f" is {given!r}"
            return f"{key}{shown}: {error['ctx']['error']}."
        case "literal_error":
            allowed = error["ctx"]["expected"]
            near = _nearest(str(given), re.findall(r"'(\w+)'", allowed))
            return f"{key} is {given!r}, allowed: {allowed}{near}."
        case "string_pattern_mismatch":
            return f"{key} is {given!r}, allowed: {_PATTERNS.get(key, error['ctx']['pattern'])}{_nearest(given, _DATASETS)}."
        case _:
            rule = error["msg"].replace("Input should be", "it must be")
            return f"{key} is {given!r}: {rule[0].lower()}{rule[1:]}."


_DATASETS = ["mnist_784", "digits_8x8"]
_PATTERNS = {
    "fetch.dataset": "mnist_784, digits_8x8 or idx:FOLDER",
    "fetch.sha256": "null or the 64 hexadecimal digits that `fetch` printed",
}


def _section(path: list[int | str]) -> type[BaseModel]:
    section: type[BaseModel] = Params
    for name in path:
        annotation = section.model_fields[str(name)].annotation
        assert isinstance(annotation, type) and issubclass(annotation, BaseModel)
        section = annotation
    return section


def _fields(section: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in section.model_fields.items()]


def _names(section: type[BaseModel]) -> str:
    return ", ".join(_fields(section))


def _nearest(name: str, names: list[str]) -> str:
    near = difflib.get_close_matches(name, names, n=1)
    return f" (did you mean {near[0]}?)" if near else ""
