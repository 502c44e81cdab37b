"""docs/catalogue.md and docs/params.md are what the tables in the code say."""

import re
from typing import Any

import pytest
from pydantic import ValidationError

from digits.__main__ import COMMANDS
from digits.commands.catalogue import catalogue_text
from digits.commands.params_page import params_text, schema_keys, stages_again
from digits.common.dvc_yaml import parse_yaml
from digits.metrics.classification import METRICS
from digits.models.families import FAMILIES
from digits.params.datasets import SOURCES
from digits.params.models import MODELS
from digits.params.nested import flatten, with_overrides
from digits.params.representations import REPRESENTATIONS, SCALES
from digits.params.schema import Params, parse_params
from tests.imports import ROOT
from tests.scratch import STAGES

PARAMS = (ROOT / "params.yaml").read_text(encoding="utf-8")


def test_the_committed_page_is_the_printed_one() -> None:
    committed = (ROOT / "docs" / "catalogue.md").read_text(encoding="utf-8")
    assert committed == catalogue_text(), "run `python -m digits catalogue > docs/catalogue.md`"


def test_the_tables_name_all_that_there_is() -> None:
    text = catalogue_text()
    names = [*COMMANDS, *MODELS, *REPRESENTATIONS, *SCALES]
    names += [source.name for source in SOURCES] + [metric.name for metric in METRICS]
    assert all(f"| `{name}` " in text for name in names)
    assert set(MODELS) == set(FAMILIES)


class TestParamsPage:
    """docs/params.md is what params.yaml, its schema and dvc.yaml say."""

    PAGE = (ROOT / "docs" / "params.md").read_text(encoding="utf-8")

    def test_the_committed_page_is_the_printed_one(self) -> None:
        message = "run `python -m digits catalogue params > docs/params.md`"
        assert params_text(ROOT) == self.PAGE, message

    def test_has_every_key_of_the_schema_once_and_no_other(self) -> None:
        rows = re.findall(r"^\| `([\w.]+)` ", self.PAGE, re.MULTILINE)
        assert rows == list(schema_keys())
        # The schema's own list of keys: of an ensemble's members, those that are in the file.
        values = flatten(parse_params(PARAMS).model_dump(by_alias=True))
        nested = {key for key in rows if any(name.startswith(f"{key}.") for name in values)}
        assert {key for key in values if not key.startswith(tuple(nested))} <= {*rows}
        assert all(re.match(r"models\.(voting|stacking)\.", key) for key in nested)

    def test_says_of_each_key_what_it_means_and_what_is_allowed(self) -> None:
        for line in re.findall(r"^\| `[\w.]+` .*", self.PAGE, re.MULTILINE):
            *_, allowed, meaning, _ = re.split(r"(?<!\\)\|", line)
            assert allowed.strip() and meaning.strip(), line

    def test_names_the_stages_that_dvc_runs_again(self) -> None:
        stages = parse_yaml((ROOT / "dvc.yaml").read_bytes(), "dvc.yaml")["stages"]
        after_split = ["split", "augment", "train", "evaluate", "track"]
        assert stages_again(stages, "fetch") == list(STAGES)
        assert stages_again(stages, "target") == stages_again(stages, "split") == after_split
        assert stages_again(stages, "augment") == after_split[1:]
        assert (
            stages_again(stages, "models.svm") == stages_again(stages, "train") == after_split[2:]
        )
        assert stages_again(stages, "evaluate") == after_split[3:]

    def test_a_value_in_the_page_is_the_one_in_the_file(self) -> None:
        assert re.search(r"^\| `models.knn.n_neighbors` +\| `4` ", self.PAGE, re.MULTILINE)

    @pytest.mark.parametrize(
        "key", ["split.folds", "evaluate.confidence", "models.few_labels.share"]
    )
    def test_the_limits_in_the_page_are_those_of_the_schema(self, key: str) -> None:
        (allowed,) = re.findall(rf"^\| `{key}` +\|[^|]+\| ([^|]+?) +\|", self.PAGE, re.MULTILINE)
        limits = re.findall(r"(above|at least|below|at most) ([\d.]+)", allowed)
        assert len(limits) == 2
        for word, limit in limits:
            is_allowed = word.startswith("at ")
            values = with_overrides(parse_yaml(PARAMS, "params.yaml"), {key: parse_number(limit)})
            assert Params.model_validate(values) if is_allowed else refused(values)


def parse_number(text: str) -> float:
    return float(text) if "." in text else int(text)


def refused(values: dict[str, Any]) -> bool:
    with pytest.raises(ValidationError):
        Params.model_validate(values)
    return True
