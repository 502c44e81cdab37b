"""What the sections of `models` refuse, and how the members of an ensemble are read."""

import pytest

from digits.models.families import FAMILIES
from digits.params.models import MODELS
from digits.params.schema import parse_params
from tests.settings import VALUES, assert_refused, edited

NO_GAMMA = {
    "auto": "'auto'",
    "'0.1'": "'0.1'",
    "0": "0",
    "-1e-3": "-0.001",
    "null": "None",
    "true": "True",
    "[1]": "[1]",
    ".nan": "nan",
    ".inf": "inf",
    "-.inf": "-inf",
}


FOREST = "{n_estimators: 9, max_depth: null, min_samples_leaf: 1}"  # & in a piece


def test_the_sections_are_the_families_that_can_be_built() -> None:
    assert list(MODELS) == list(FAMILIES) == list(VALUES["models"])


@pytest.mark.parametrize(
    ("path", "piece", "parts"),
    [
        ("models.sgd.max_iter", "0", ["models.sgd.max_iter is 0:", "1"]),
        ("models.forest.n_estimators", "100.0",
         ["models.forest.n_estimators is 100.0:", "integer"]),
        ("models.forest.max_depth", "0", ["models.forest.max_depth is 0:", "1"]),
        ("models.forest.max_depth", "none", ["models.forest.max_depth is 'none':", "integer"]),
        ("models.forest.min_samples_leaf", "0.1",
         ["models.forest.min_samples_leaf is 0.1:", "integer"]),
        ("models.knn.n_neighbors", "'4'", ["models.knn.n_neighbors is '4':", "integer"]),
        # numbers
        ("models.sgd.alpha", "0", ["models.sgd.alpha is 0:", "greater than 0"]),
        ("models.sgd.alpha", "-1e-4", ["models.sgd.alpha is -0.0001:", "greater than 0"]),
        ("models.sgd.tol", ".nan", ["models.sgd.tol is nan:"]),
        ("models.sgd.tol", "'0.001'", ["models.sgd.tol is '0.001':", "number"]),
        ("models.sgd.epochs", "0", ["models.sgd.epochs is 0:", "1"]),
        ("models.softmax.batch_size", "0", ["models.softmax.batch_size is 0:", "1"]),
        ("models.softmax.epochs", "null", ["models.softmax.epochs is None:", "integer"]),
        ("models.softmax.learning_rate", "0.0",
         ["models.softmax.learning_rate is 0.0:", "greater than 0"]),
        ("models.softmax.alpha", "-1", ["models.softmax.alpha is -1:", "0"]),
        ("models.svm.C", ".inf", ["models.svm.C is inf:", "finite"]),
        ("models.svm.degree", "3.0", ["models.svm.degree is 3.0:", "integer"]),
        ("models.svm.coef0", ".nan", ["models.svm.coef0 is nan:", "finite"]),
        ("models.boosting.max_leaf_nodes", "1", ["models.boosting.max_leaf_nodes is 1:", "2"]),
        ("models.boosting.l2_regularization", "-1",
         ["models.boosting.l2_regularization is -1:", "0"]),
        ("models.few_labels.labels", "9", ["models.few_labels.labels is 9:", "10"]),
        ("models.few_labels.share", "0", ["models.few_labels.share is 0:", "greater than 0"]),
        ("models.few_labels.share", "1.01", ["models.few_labels.share is 1.01:", "1"]),
        ("models.stacking.folds", "1", ["models.stacking.folds is 1:", "2"]),
        ("models.stacking.final.max_depth", "0", ["models.stacking.final.max_depth is 0:", "1"]),
        *(
            ("models.svm.gamma", piece, [f"models.svm.gamma is {shown}: ", "scale", "above 0"])
            for piece, shown in NO_GAMMA.items()
        ),
        ("models.softmax.solver", "adam", ["models.softmax.solver is 'adam'", "'sgd' or 'lbfgs'"]),
        ("models.svm.kernel", "rfb",
         ["models.svm.kernel is 'rfb'", "'rbf', 'poly' or 'linear'", "did you mean rbf?"]),
        ("models.sgd.loss", "log", ["models.sgd.loss is 'log'", "'hinge' or 'log_loss'"]),
        ("models.knn.weights", "distnce",
         ["models.knn.weights is 'distnce'", "did you mean distance?"]),
        ("models.mlp.hidden_layers", "100", ["models.mlp.hidden_layers is 100:", "list"]),
        ("models.mlp.hidden_layers", "[]", ["models.mlp.hidden_layers is []:", "1 item"]),
        ("models.mlp.hidden_layers", "[10, 0]", ["models.mlp.hidden_layers[1] is 0:", "1"]),
        # members
        ("models.voting.members", "{}",
         ["models.voting.members: members are none, ", "two or more of softmax, knn, forest"]),
        ("models.voting.members", "{forest: null, knn: null}",
         ["models.voting.members: members are none, ", "two or more"]),
        ("models.stacking.members", "{mlp: null, forest: &}",
         ["models.stacking.members: members are forest, ", "mlp, sgd, svm"]),
        ("models.voting.members", "[knn, forest]", ["models.voting.members is ['knn', 'forest']"]),
        ("models.voting.members.frest", "&",
         ["models.voting.members.frest is not a key; ", "mlp (did you mean forest?)"]),
        ("models.voting.members.svm", "null",
         ["models.voting.members.svm is not a key; allowed here: softmax, knn, "]),
        ("models.voting.members.forest", "3", ["models.voting.members.forest is 3"]),
        ("models.voting.members.forest.trees", "9",
         ["models.voting.members.forest.trees is not a key; allowed here: n_estimators, "]),
        ("models.stacking.members.knn", "{n_neighbors: 0, weights: uniform}",
         ["models.stacking.members.knn.n_neighbors is 0:"]),
        ("models.stacking.members.knn", "{n_neighbors: 1}",
         ["models.stacking.members.knn.weights is missing; ", "n_neighbors, weights"]),
        ("models.stacking.members.mlp.hidden_layers", "[1.5]",
         ["models.stacking.members.mlp.hidden_layers[0] is 1.5:", "integer"]),
        ("models.knn", "null", ["models.knn is None, ", "n_neighbors, weights"]),
    ],
)  # fmt: skip
def test_the_sentence_says_what_is_wrong(path: str, piece: str, parts: list[str]) -> None:
    assert_refused(path, piece.replace("&", FOREST), parts)


def test_members_have_settings_of_their_own() -> None:
    text = edited(
        {
            "train.model": "voting",
            "models.forest.n_estimators": "77",
            "models.voting.members.forest.n_estimators": "33",
        }
    )
    members = parse_params(text).model_settings["members"]
    assert members == VALUES["models"]["voting"]["members"] | {
        "forest": VALUES["models"]["voting"]["members"]["forest"] | {"n_estimators": 33}
    }


@pytest.mark.parametrize("piece", ["null", None])
@pytest.mark.parametrize("model", ["voting", "stacking"])
def test_a_member_that_is_null_or_not_there_does_not_take_part(
    model: str, piece: str | None
) -> None:
    settings = parse_params(
        edited({"train.model": model, f"models.{model}.members.mlp": piece})
    ).effective()["models"][model]
    assert settings == VALUES["models"][model] | {"members": {
        name: member for name, member in VALUES["models"][model]["members"].items() if name != "mlp"
    }}  # fmt: skip
