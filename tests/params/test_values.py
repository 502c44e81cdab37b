"""What each key of params.yaml but those of `models` refuses, and in which words."""

import pytest

from tests.settings import VALUES, assert_refused

DIGEST = "0123456789abcdef" * 4
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
        ("fetch.dataset", "mnist",
         ["fetch.dataset is 'mnist'",
          "mnist_784, digits_8x8, idx:FOLDER",
          "did you mean mnist_784?"]),
        ("fetch.dataset", "digits", ["fetch.dataset is 'digits'", "did you mean digits_8x8?"]),
        ("fetch.dataset", "'idx:'", ["fetch.dataset is 'idx:'", "idx:FOLDER"]),
        ("fetch.dataset", "IDX:folder", ["fetch.dataset is 'IDX:folder'", "idx:FOLDER"]),
        ("fetch.dataset", "'mnist_784 '",
         ["fetch.dataset is 'mnist_784 '", "did you mean mnist_784?"]),
        ("fetch.dataset", "784", ["fetch.dataset is 784", "string"]),
        ("fetch.sha256", "abc", ["fetch.sha256 is 'abc'", "null or the 64 hexadecimal digits"]),
        ("fetch.sha256", DIGEST.upper(),
         [f"fetch.sha256 is '{DIGEST.upper()}'", "64 hexadecimal digits"]),
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
        ("augment.elastic.copies", "-1", ["augment.elastic.copies is -1:", "0"]),
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
        ("augment.elastic.rotation", "-1", ["augment.elastic.rotation is -1:", "0"]),
        ("augment.elastic.scale", ".inf", ["augment.elastic.scale is inf:", "finite"]),
        ("augment.elastic.shear", ".nan", ["augment.elastic.shear is nan:"]),
        ("augment.elastic.shift", "[1, 1]", ["augment.elastic.shift is [1, 1]:", "number"]),
        # choices
        ("split.strategy", "shufled",
         ["split.strategy is 'shufled'", "'canonical' or 'shuffled'", "did you mean shuffled?"]),
        ("split.strategy", "true", ["split.strategy is True", "'canonical' or 'shuffled'"]),
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
        # sections
        ("split", "3", ["split is 3, ", "strategy, folds, seed"]),
    ],
)  # fmt: skip
def test_the_sentence_says_what_is_wrong(path: str, piece: str, parts: list[str]) -> None:
    assert_refused(path, piece, parts)


@pytest.mark.parametrize(
    ("path", "piece", "parts"),
    [
        ("train.seed", "1e3", ["train.seed is 1000.0:", "integer"]),
        ("train.seed", "true", ["train.seed is True:", "integer"]),
        ("train.components", "0.95", ["train.components is 0.95:", "integer"]),
        ("train.components", "-1", ["train.components is -1:", "0"]),
        ("train.clusters", "-1", ["train.clusters is -1:", "0"]),
        ("train.model", "kn", ["train.model is 'kn'", "did you mean knn?"]),
        ("train.model", "bayes",
         ["train.model is 'bayes'", f"allowed are {', '.join(VALUES['models'])}."]),
        ("train.scale", "null",
         ["train.scale is None", "none, unit, standard, sqrt", "did you mean none?"]),
        ("train.scale", "sqr", ["train.scale is 'sqr'", "did you mean sqrt?"]),
        ("train.model", "mpl", ["train.model is 'mpl'", "did you mean mlp?"]),
        ("train.features", "pixel",
         ["train.features is 'pixel'", "allowed are pixels, deskewed", "did you mean pixels?"]),
        ("train.features", "deskewed_scatering",
         ["train.features is ", "did you mean deskewed_scattering?"]),
        ("train.copies", "suport_vectors",
         ["train.copies is ",
          "'all', 'support_vectors' or 'none'",
          "did you mean support_vectors?"]),
        ("train.engine", "intelx",
         ["train.engine is 'intelx'", "'scikit-learn' or 'intelex'", "did you mean intelex?"]),
        ("train.copies", "1", ["train.copies is 1", "'all'"]),
        ("train.validate", "holdot", ["train.validate is 'holdot'", "did you mean holdout?"]),
        ("train.train_sizes", "0.5", ["train.train_sizes is 0.5:", "list"]),
        ("train.train_sizes", "null", ["train.train_sizes is None:", "list"]),
        ("train.train_sizes", "[0]", ["train.train_sizes[0] is 0:", "greater than 0"]),
        ("train.train_sizes", "[0.1, -0.1]", ["train.train_sizes[1] is -0.1:", "greater than 0"]),
        ("train.train_sizes", "[0.1, 100]",
         ["train.train_sizes[1] is 100:", "less than or equal to 1"]),
        ("train.train_sizes", "[.nan]", ["train.train_sizes[0] is nan:"]),
        ("train.train_sizes", "[true]", ["train.train_sizes[0] is True:", "number"]),
        ("train.train_sizes", "['10%']", ["train.train_sizes[0] is '10%':", "number"]),
        ("train.train_sizes", "[0.5, 0.1]",
         ["train.train_sizes is [0.5, 0.1]: ", "shares that ascend"]),
        ("train.train_sizes", "[0.1, 0.1]",
         ["train.train_sizes is [0.1, 0.1]: ", "each larger than the one before"]),
    ],
)  # fmt: skip
def test_the_sentence_says_what_is_wrong_in_train(path: str, piece: str, parts: list[str]) -> None:
    assert_refused(path, piece, parts)
