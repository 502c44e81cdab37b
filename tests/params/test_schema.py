"""params.yaml is read as DVC reads it; what does not go together is refused."""

from functools import reduce
from operator import getitem
from typing import Any

import pytest

from digits.common.dvc_yaml import parse_yaml
from digits.params.schema import Params, parse_params
from tests.settings import TEXT, VALUES, complaint, edited

DIGEST = "0123456789abcdef" * 4


def test_the_committed_file_is_read_as_dvc_reads_it() -> None:
    assert parse_params(TEXT).model_dump(by_alias=True) == VALUES


@pytest.mark.parametrize(
    ("path", "piece", "value"),
    [
        ("target", "0", 0),
        ("target", "9", 9),
        ("target", "digit", "digit"),
        ("train.seed", "010", 10),
        ("train.seed", "4294967295", 2**32 - 1),
        ("models.sgd.alpha", "1e-4", 0.0001),
        ("models.sgd.tol", "1", 1.0),
        ("models.forest.max_depth", "~", None),
        ("augment.rotations", "[-10, 1e1]", [-10.0, 10.0]),
        ("augment.shifts", "[]", []),
        ("fetch.dataset", "idx:some folder/é", "idx:some folder/é"),
        ("fetch.dataset", "images:some folder/é", "images:some folder/é"),
        ("fetch.extra", "images:some folder/é", "images:some folder/é"),
        ("fetch.extra", "~", None),
        ("evaluate.confidence", ".95", 0.95),
        ("models.svm.gamma", "scale", "scale"),
        ("models.svm.gamma", "1e-3", 0.001),
        ("models.svm.gamma", "5", 5),
        ("models.svm.coef0", "-1", -1.0),
        ("models.sgd.epochs", "20", 20),
        ("models.mlp.hidden_layers", "[7]", [7]),
        ("train.components", "0", 0),
        ("models.few_labels.share", "1", 1.0),
        ("train.train_sizes", "[]", []),
        ("train.train_sizes", "[1e-1, .5, 1]", [0.1, 0.5, 1.0]),
    ],
)
def test_what_is_allowed_is_read(path: str, piece: str, value: object) -> None:
    values = parse_params(edited({"fetch.sha256": "null", path: piece})).model_dump(by_alias=True)
    read: Any = reduce(getitem, path.split("."), values)
    assert repr(read) == repr(value)


@pytest.mark.parametrize("model", VALUES["models"])
class TestEffective:
    def test_is_everything_but_the_other_models(self, model: str) -> None:
        params = parse_params(edited({"train.model": model}))
        settings = VALUES["models"][model]
        assert params.effective() == VALUES | {
            "train": VALUES["train"] | {"model": model},
            "models": {model: settings},
        }
        assert params.model_settings == settings

    def test_stays_when_another_model_is_edited(self, model: str) -> None:
        def edited_too(path: str, piece: str) -> dict[str, Any]:
            return parse_params(edited({"train.model": model, path: piece})).effective()

        before = parse_params(edited({"train.model": model})).effective()
        for path, piece in (
            ("models.sgd.max_iter", "77"),
            ("models.forest.n_estimators", "77"),
            ("models.knn.n_neighbors", "77"),
        ):
            assert (edited_too(path, piece) == before) == (path.split(".")[1] != model)
        assert edited_too("train.seed", "77") != before


def test_params_cannot_be_changed() -> None:
    params = parse_params(TEXT)
    with pytest.raises(ValueError, match="frozen"):
        params.train.seed = 1
    assert isinstance(params, Params)


@pytest.mark.parametrize("dataset", ["mnist_784", "digits_8x8"])
def test_only_ones_own_data_set_can_be_pinned(dataset: str) -> None:
    sentence = complaint(edited({"fetch.dataset": dataset, "fetch.sha256": DIGEST}))
    assert sentence == (
        f"fetch: sha256 is set, but {dataset} is pinned already: "
        "allowed is null, or a dataset of idx:FOLDER or images:FOLDER."
    )
    parse_params(edited({"fetch.dataset": "idx:folder", "fetch.sha256": DIGEST}))


@pytest.mark.parametrize(
    ("features", "components"),
    [
        ("pixels", "10"),
        ("[pixels]", "[10]"),
        ("[pixels, deskewed]", "10"),
        ("[pixels, deskewed]", "[10, 0]"),
    ],
)
def test_components_are_one_number_or_one_for_each_of_several_features(
    features: str, components: str
) -> None:
    text = edited({"train.features": features, "train.components": components})
    assert parse_params(text).train.components == parse_yaml(components, "")


@pytest.mark.parametrize(
    ("features", "components"),
    [
        ("pixels", "[10]"),
        ("[pixels, deskewed]", "[10]"),
        ("[pixels, deskewed]", "[10, 0, 5]"),
    ],
)
def test_other_lists_of_components_are_one_sentence(features: str, components: str) -> None:
    names = parse_yaml(features, "")
    assert complaint(edited({"train.features": features, "train.components": components})) == (
        f"train: components is {components}, but features is {names}: "
        "allowed is one number, or a list of one for each of several features."
    )


@pytest.mark.parametrize("model", VALUES["models"])
def test_only_svm_has_support_vectors(model: str) -> None:
    text = edited({"train.model": model, "train.copies": "support_vectors"})
    if model == "svm":
        assert parse_params(text).train.copies == "support_vectors"
    else:
        allowed = "allowed are all and none, as svm alone has them"
        assert (
            complaint(text) == f"train: copies is support_vectors, but model is {model}: {allowed}."
        )


@pytest.mark.parametrize("model", VALUES["models"])
def test_intelex_computes_svm(model: str) -> None:
    text = edited({"train.model": model, "train.engine": "intelex"})
    if model == "svm":
        assert parse_params(text).train.engine == "intelex"
    else:
        assert (
            complaint(text) == f"train: engine is intelex, but model is {model}: allowed with svm."
        )


@pytest.mark.parametrize("scheme", ["holdout", "cross_validation", "none"])
def test_train_sizes_are_scored_in_validation(scheme: str) -> None:
    text = edited({"train.train_sizes": "[0.1, 1.0]", "train.validate": scheme})
    if scheme != "none":
        assert parse_params(text).train.train_sizes == [0.1, 1.0]
    else:
        allowed = "allowed is [], or validate holdout or cross_validation"
        assert (
            complaint(text) == f"train: train_sizes is [0.1, 1.0], but validate is none: {allowed}."
        )
    parse_params(edited({"train.train_sizes": "[]", "train.validate": scheme}))
