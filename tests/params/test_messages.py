"""Every mistake in params.yaml is one sentence."""

import re
from typing import Any

import pytest

from digits.common.errors import BadInput
from digits.params.schema import parse_params
from tests.settings import VALUES, edited

DIGEST = "0123456789abcdef" * 4


def paths(values: dict[str, Any]) -> list[str]:
    """Every key and section of a params.yaml, as DVC names it: train.seed."""
    below = [
        f"{key}.{path}"
        for key, value in values.items()
        if isinstance(value, dict)
        for path in paths(value)
    ]
    return [*values, *below]


PATHS = paths(VALUES)
LEAVES = [path for path in PATHS if not any(other.startswith(f"{path}.") for other in PATHS)]
MEMBERS = [path for path in PATHS if re.fullmatch(r"models\.\w+\.members\.\w+", path)]
# What only a programmer would say.
INTERNAL = re.compile(
    r"function-|constrained|after validation|instance of|[Ii]nput|type=|dict|pydantic|Traceback|Error|<|\bSection\b|_\b"
)


def complaints(text: str) -> list[str]:
    """The sentences that a params.yaml is refused with, without the file's name."""
    with pytest.raises(BadInput) as caught:
        parse_params(text, "some.yaml")
    lines = str(caught.value).split("\n")
    assert all(line.startswith("some.yaml") and line.endswith(".") for line in lines), lines
    assert [line for line in lines if INTERNAL.search(line)] == []
    return [line.removeprefix("some.yaml: ") for line in lines]


def complaint(text: str) -> str:
    lines = complaints(text)
    assert len(lines) == 1, lines
    return lines[0]


@pytest.mark.parametrize("path", PATHS)
class TestWhateverTheKey:
    def test_missing(self, path: str) -> None:
        if path in MEMBERS:  # each may or may not be there
            parse_params(edited({path: None}))
            return
        sentence = complaint(edited({path: None}))
        section, _, key = path.rpartition(".")
        assert sentence.startswith(f"{path} is missing; {section or 'the file'} needs ")
        assert key in sentence.split(" needs ")[1]

    def test_misspelt(self, path: str) -> None:
        sentence = complaint(edited({f"{path}{path[-1]}": "1"}))
        key = path.split(".")[-1]
        assert sentence.startswith(f"{path}{path[-1]} is not a key; allowed here: ")
        assert sentence.endswith(f"(did you mean {key}?).")

    @pytest.mark.parametrize(("nowhere_allowed", "shown"), [("true", "True"), ("''", "''")])
    def test_of_a_wrong_type(self, path: str, nowhere_allowed: str, shown: str) -> None:
        assert complaint(edited({path: nowhere_allowed})).startswith(f"{path} is {shown}")


@pytest.mark.parametrize("scalar", ["true", "'4'", "-.inf", "[[]]", "1_000", "0x10", "2026-01-01"])
def test_what_no_key_takes_is_a_sentence_for_each(scalar: str) -> None:
    lines = complaints(edited({"fetch.sha256": "null"} | dict.fromkeys(LEAVES, scalar)))
    assert sorted(re.split(r"\[| is ", line)[0] for line in lines) == sorted(LEAVES)


@pytest.mark.parametrize("far_from_all", ["q", "zzzzzzzz", "1x"])
def test_no_name_is_suggested_where_none_is_near(far_from_all: str) -> None:
    assert "did you mean" not in complaint(edited({f"train.{far_from_all}": "1"}))


NO_GAMMA = {
    "auto": "'auto'", "'0.1'": "'0.1'", "0": "0", "-1e-3": "-0.001", "null": "None", "true": "True", "[1]": "[1]",
    ".nan": "nan", ".inf": "inf", "-.inf": "-inf",
}  # fmt: skip
ANYTHING_ELSE = "only repeat the originals"
DIGITS = "'digit', 0, 1, 2, 3, 4, 5, 6, 7, 8 or 9"


@pytest.mark.parametrize(
    ("path", "piece", "parts"),
    [
        ("target", "11", ["target is 11, ", DIGITS]),
        ("target", "-1", ["target is -1, ", DIGITS]),
        ("target", '"5"', ["target is '5', ", DIGITS]),
        ("target", "5.5", ["target is 5.5", "digit", "9"]),
        ("target", "5.0", ["target is 5.0", "digit", "9"]),
        ("target", "digits", ["target is 'digits', ", DIGITS, "did you mean digit?"]),
        ("target", "[5]", ["target is [5], ", DIGITS]),
        ("target", "true", ["target is True", "allowed are digit and the numbers 0 to 9"]),
        ("target", "false", ["target is False", "allowed are digit and the numbers 0 to 9"]),
        ("target", "null", ["target is None, ", DIGITS]),
        # datasets
        (
            "fetch.dataset",
            "mnist",
            [
                "fetch.dataset is 'mnist'",
                "mnist_784, digits_8x8, idx:FOLDER",
                "did you mean mnist_784?",
            ],
        ),
        ("fetch.dataset", "digits", ["fetch.dataset is 'digits'", "did you mean digits_8x8?"]),
        ("fetch.dataset", "'idx:'", ["fetch.dataset is 'idx:'", "idx:FOLDER"]),
        ("fetch.dataset", "IDX:folder", ["fetch.dataset is 'IDX:folder'", "idx:FOLDER"]),
        (
            "fetch.dataset",
            "'mnist_784 '",
            ["fetch.dataset is 'mnist_784 '", "did you mean mnist_784?"],
        ),
        ("fetch.dataset", "784", ["fetch.dataset is 784", "string"]),
        ("fetch.sha256", "abc", ["fetch.sha256 is 'abc'", "null or the 64 hexadecimal digits"]),
        (
            "fetch.sha256",
            DIGEST.upper(),
            [f"fetch.sha256 is '{DIGEST.upper()}'", "64 hexadecimal digits"],
        ),
        ("fetch.sha256", DIGEST + "0", [f"fetch.sha256 is '{DIGEST}0'", "64 hexadecimal digits"]),
        ("fetch.sha256", "1" * 64, [f"fetch.sha256 is {'1' * 64}", "string"]),
        # whole numbers
        ("split.folds", "'6'", ["split.folds is '6'", "integer"]),
        ("split.folds", "6.0", ["split.folds is 6.0", "integer"]),
        ("split.folds", "true", ["split.folds is True", "integer"]),
        ("split.folds", "null", ["split.folds is None", "integer"]),
        ("split.folds", "1", ["split.folds is 1:", "2"]),
        ("split.folds", "101", ["split.folds is 101:", "100"]),
        ("split.seed", "-1", ["split.seed is -1:", "0"]),
        ("augment.seed", "4294967296", ["augment.seed is 4294967296:", "4294967295"]),
        ("train.seed", "1e3", ["train.seed is 1000.0:", "integer"]),
        ("train.seed", "true", ["train.seed is True:", "integer"]),
        ("train.components", "0.95", ["train.components is 0.95:", "integer"]),
        ("train.components", "-1", ["train.components is -1:", "0"]),
        ("augment.elastic.copies", "-1", ["augment.elastic.copies is -1:", "0"]),
        ("models.sgd.max_iter", "0", ["models.sgd.max_iter is 0:", "1"]),
        (
            "models.forest.n_estimators",
            "100.0",
            ["models.forest.n_estimators is 100.0:", "integer"],
        ),
        ("models.forest.max_depth", "0", ["models.forest.max_depth is 0:", "1"]),
        ("models.forest.max_depth", "none", ["models.forest.max_depth is 'none':", "integer"]),
        (
            "models.forest.min_samples_leaf",
            "0.1",
            ["models.forest.min_samples_leaf is 0.1:", "integer"],
        ),
        ("models.knn.n_neighbors", "'4'", ["models.knn.n_neighbors is '4':", "integer"]),
        # numbers
        ("models.sgd.alpha", "0", ["models.sgd.alpha is 0:", "greater than 0"]),
        ("models.sgd.alpha", "-1e-4", ["models.sgd.alpha is -0.0001:", "greater than 0"]),
        ("models.sgd.tol", ".nan", ["models.sgd.tol is nan:"]),
        ("models.sgd.tol", "'0.001'", ["models.sgd.tol is '0.001':", "number"]),
        ("augment.elastic.alpha", "true", ["augment.elastic.alpha is True:", "number"]),
        ("augment.elastic.alpha", "-0.1", ["augment.elastic.alpha is -0.1:", "0"]),
        ("augment.elastic.alpha", ".inf", ["augment.elastic.alpha is inf:", "finite"]),
        ("augment.elastic.sigma", ".nan", ["augment.elastic.sigma is nan:"]),
        ("augment.elastic.sigma", "0", ["augment.elastic.sigma is 0:", "greater than 0"]),
        ("evaluate.precision_target", "1", ["evaluate.precision_target is 1:", "less than 1"]),
        ("evaluate.precision_target", "90", ["evaluate.precision_target is 90:", "less than 1"]),
        ("evaluate.precision_target", "90%", ["evaluate.precision_target is '90%':", "number"]),
        ("evaluate.precision_target", ".nan", ["evaluate.precision_target is nan:"]),
        ("evaluate.confidence", "0.0", ["evaluate.confidence is 0.0:", "greater than 0"]),
        ("evaluate.confidence", "-.inf", ["evaluate.confidence is -inf:"]),
        ("train.clusters", "-1", ["train.clusters is -1:", "0"]),
        ("models.sgd.epochs", "0", ["models.sgd.epochs is 0:", "1"]),
        ("models.softmax.batch_size", "0", ["models.softmax.batch_size is 0:", "1"]),
        ("models.softmax.epochs", "null", ["models.softmax.epochs is None:", "integer"]),
        (
            "models.softmax.learning_rate",
            "0.0",
            ["models.softmax.learning_rate is 0.0:", "greater than 0"],
        ),
        ("models.softmax.alpha", "-1", ["models.softmax.alpha is -1:", "0"]),
        ("models.svm.C", ".inf", ["models.svm.C is inf:", "finite"]),
        ("models.svm.degree", "3.0", ["models.svm.degree is 3.0:", "integer"]),
        ("models.svm.coef0", ".nan", ["models.svm.coef0 is nan:", "finite"]),
        ("models.boosting.max_leaf_nodes", "1", ["models.boosting.max_leaf_nodes is 1:", "2"]),
        (
            "models.boosting.l2_regularization",
            "-1",
            ["models.boosting.l2_regularization is -1:", "0"],
        ),
        ("models.few_labels.labels", "9", ["models.few_labels.labels is 9:", "10"]),
        ("models.few_labels.share", "0", ["models.few_labels.share is 0:", "greater than 0"]),
        ("models.few_labels.share", "1.01", ["models.few_labels.share is 1.01:", "1"]),
        ("models.stacking.folds", "1", ["models.stacking.folds is 1:", "2"]),
        ("models.stacking.final.max_depth", "0", ["models.stacking.final.max_depth is 0:", "1"]),
        ("augment.elastic.rotation", "-1", ["augment.elastic.rotation is -1:", "0"]),
        ("augment.elastic.scale", ".inf", ["augment.elastic.scale is inf:", "finite"]),
        ("augment.elastic.shear", ".nan", ["augment.elastic.shear is nan:"]),
        ("augment.elastic.shift", "[1, 1]", ["augment.elastic.shift is [1, 1]:", "number"]),
        *(
            ("models.svm.gamma", piece, [f"models.svm.gamma is {shown}: ", "scale", "above 0"])
            for piece, shown in NO_GAMMA.items()
        ),
        # choices
        (
            "split.strategy",
            "shufled",
            ["split.strategy is 'shufled'", "'canonical' or 'shuffled'", "did you mean shuffled?"],
        ),
        ("split.strategy", "true", ["split.strategy is True", "'canonical' or 'shuffled'"]),
        ("train.model", "kn", ["train.model is 'kn'", "did you mean knn?"]),
        (
            "train.model",
            "bayes",
            ["train.model is 'bayes'", f"allowed are {', '.join(VALUES['models'])}."],
        ),
        (
            "train.scale",
            "null",
            ["train.scale is None", "none, unit, standard, sqrt", "did you mean none?"],
        ),
        ("train.scale", "sqr", ["train.scale is 'sqr'", "did you mean sqrt?"]),
        ("train.model", "mpl", ["train.model is 'mpl'", "did you mean mlp?"]),
        (
            "train.features",
            "pixel",
            ["train.features is 'pixel'", "allowed are pixels, deskewed", "did you mean pixels?"],
        ),
        (
            "train.features",
            "deskewed_scatering",
            ["train.features is ", "did you mean deskewed_scattering?"],
        ),
        (
            "train.copies",
            "suport_vectors",
            [
                "train.copies is ",
                "'all', 'support_vectors' or 'none'",
                "did you mean support_vectors?",
            ],
        ),
        (
            "train.engine",
            "intelx",
            ["train.engine is 'intelx'", "'scikit-learn' or 'intelex'", "did you mean intelex?"],
        ),
        ("models.softmax.solver", "adam", ["models.softmax.solver is 'adam'", "'sgd' or 'lbfgs'"]),
        (
            "models.svm.kernel",
            "rfb",
            ["models.svm.kernel is 'rfb'", "'rbf', 'poly' or 'linear'", "did you mean rbf?"],
        ),
        ("train.copies", "1", ["train.copies is 1", "'all'"]),
        ("train.validate", "holdot", ["train.validate is 'holdot'", "did you mean holdout?"]),
        ("models.sgd.loss", "log", ["models.sgd.loss is 'log'", "'hinge' or 'log_loss'"]),
        (
            "models.knn.weights",
            "distnce",
            ["models.knn.weights is 'distnce'", "did you mean distance?"],
        ),
        # lists
        ("augment.shifts", "null", ["augment.shifts is None:", "list"]),
        ("augment.shifts", "3", ["augment.shifts is 3:", "list"]),
        ("augment.shifts", "[1]", ["augment.shifts[0] is 1:", "list"]),
        ("augment.shifts", "[[1]]", ["augment.shifts[0] is [1]:", "2 items"]),
        ("augment.shifts", "[[1, 2, 3]]", ["augment.shifts[0] is [1, 2, 3]:", "2 items"]),
        ("augment.shifts", "[[1, 0], [0.5, 0]]", ["augment.shifts[1][0] is 0.5:", "integer"]),
        ("augment.shifts", "[[0, true]]", ["augment.shifts[0][1] is True:", "integer"]),
        ("augment.shifts", "[[1, 0], [0, 0]]", ["augment.shifts[1] is [0, 0]:", ANYTHING_ELSE]),
        ("augment.rotations", "10", ["augment.rotations is 10:", "list"]),
        ("augment.rotations", "['10']", ["augment.rotations[0] is '10':", "number"]),
        ("augment.rotations", "[5, 0]", ["augment.rotations[1] is 0:", ANYTHING_ELSE]),
        ("augment.rotations", "[-0.0]", ["augment.rotations[0] is -0.0:", ANYTHING_ELSE]),
        ("augment.rotations", "[.nan]", ["augment.rotations[0] is nan:", "finite"]),
        ("augment.scales", "[1]", ["augment.scales[0] is 1:", ANYTHING_ELSE]),
        ("augment.scales", "[1.0]", ["augment.scales[0] is 1.0:", ANYTHING_ELSE]),
        ("augment.scales", "[0]", ["augment.scales[0] is 0:", "greater than 0"]),
        ("augment.scales", "[.inf]", ["augment.scales[0] is inf:", "finite"]),
        ("augment.shears", "[0.0]", ["augment.shears[0] is 0.0:", ANYTHING_ELSE]),
        ("augment.shears", "[-.inf]", ["augment.shears[0] is -inf:", "finite"]),
        ("augment.shears", "[true]", ["augment.shears[0] is True:", "number"]),
        ("models.mlp.hidden_layers", "100", ["models.mlp.hidden_layers is 100:", "list"]),
        ("models.mlp.hidden_layers", "[]", ["models.mlp.hidden_layers is []:", "1 item"]),
        ("models.mlp.hidden_layers", "[10, 0]", ["models.mlp.hidden_layers[1] is 0:", "1"]),
        ("train.train_sizes", "0.5", ["train.train_sizes is 0.5:", "list"]),
        ("train.train_sizes", "null", ["train.train_sizes is None:", "list"]),
        ("train.train_sizes", "[0]", ["train.train_sizes[0] is 0:", "greater than 0"]),
        ("train.train_sizes", "[0.1, -0.1]", ["train.train_sizes[1] is -0.1:", "greater than 0"]),
        (
            "train.train_sizes",
            "[0.1, 100]",
            ["train.train_sizes[1] is 100:", "less than or equal to 1"],
        ),
        ("train.train_sizes", "[.nan]", ["train.train_sizes[0] is nan:"]),
        ("train.train_sizes", "[true]", ["train.train_sizes[0] is True:", "number"]),
        ("train.train_sizes", "['10%']", ["train.train_sizes[0] is '10%':", "number"]),
        (
            "train.train_sizes",
            "[0.5, 0.1]",
            ["train.train_sizes is [0.5, 0.1]: ", "shares that ascend"],
        ),
        (
            "train.train_sizes",
            "[0.1, 0.1]",
            ["train.train_sizes is [0.1, 0.1]: ", "each larger than the one before"],
        ),
        # members
        (
            "models.voting.members",
            "{}",
            ["models.voting.members: members are none, ", "two or more of softmax, knn, forest"],
        ),
        (
            "models.voting.members",
            "{forest: null, knn: null}",
            ["models.voting.members: members are none, ", "two or more"],
        ),
        (
            "models.stacking.members",
            "{mlp: null, forest: &}",
            ["models.stacking.members: members are forest, ", "mlp, sgd, svm"],
        ),
        ("models.voting.members", "[knn, forest]", ["models.voting.members is ['knn', 'forest']"]),
        (
            "models.voting.members.frest",
            "&",
            ["models.voting.members.frest is not a key; ", "mlp (did you mean forest?)"],
        ),
        (
            "models.voting.members.svm",
            "null",
            ["models.voting.members.svm is not a key; allowed here: softmax, knn, "],
        ),
        ("models.voting.members.forest", "3", ["models.voting.members.forest is 3"]),
        (
            "models.voting.members.forest.trees",
            "9",
            ["models.voting.members.forest.trees is not a key; allowed here: n_estimators, "],
        ),
        (
            "models.stacking.members.knn",
            "{n_neighbors: 0, weights: uniform}",
            ["models.stacking.members.knn.n_neighbors is 0:"],
        ),
        (
            "models.stacking.members.knn",
            "{n_neighbors: 1}",
            ["models.stacking.members.knn.weights is missing; ", "n_neighbors, weights"],
        ),
        (
            "models.stacking.members.mlp.hidden_layers",
            "[1.5]",
            ["models.stacking.members.mlp.hidden_layers[0] is 1.5:", "integer"],
        ),
        # sections
        ("split", "3", ["split is 3, ", "strategy, folds, seed"]),
        ("models.knn", "null", ["models.knn is None, ", "n_neighbors, weights"]),
    ],
)
def test_one_sentence_says_what_is_wrong(path: str, piece: str, parts: list[str]) -> None:
    forest = "{n_estimators: 9, max_depth: null, min_samples_leaf: 1}"
    sentence = complaint(edited({path: piece.replace("&", forest)}))
    assert sentence.startswith(parts[0])
    assert [part for part in parts if part not in sentence] == []


@pytest.mark.parametrize("dataset", ["mnist_784", "digits_8x8"])
def test_only_ones_own_data_set_can_be_pinned(dataset: str) -> None:
    sentence = complaint(edited({"fetch.dataset": dataset, "fetch.sha256": DIGEST}))
    assert (
        sentence
        == f"fetch: sha256 is set, but {dataset} is pinned already: allowed is null, or a dataset of idx:FOLDER."
    )
    parse_params(edited({"fetch.dataset": "idx:folder", "fetch.sha256": DIGEST}))


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
def test_intelex_computes_knn_and_svm(model: str) -> None:
    text = edited({"train.model": model, "train.engine": "intelex"})
    if model in ("knn", "svm"):
        assert parse_params(text).train.engine == "intelex"
    else:
        assert (
            complaint(text)
            == f"train: engine is intelex, but model is {model}: allowed with knn and svm."
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


def test_several_mistakes_are_a_line_each() -> None:
    text = edited(
        {
            "target": "11",
            "split.folds": None,
            "split.fold": "6",
            "augment.rotations": "[0, .nan]",
            "train.model": "kn",
        }
    )
    assert [line.split(" ")[0] for line in complaints(text)] == [
        "target", "split.folds", "split.fold", "augment.rotations[0]", "augment.rotations[1]", "train.model",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text", ["", "# only a comment\n", "5", "digit", "- target: digit\n", "[]", "null"]
)
def test_anything_but_a_mapping_is_refused(text: str) -> None:
    assert "allowed is a mapping with the sections target, fetch, split, " in complaint(text)
