"""What a model file may hold beyond scikit-learn's own estimators, which skops trusts.

A file says what it holds too, but that is no protection, so it is not asked. What this project
trusts is what it defines for pipelines: there is no list of it.
"""

import ast
from functools import cache
from pathlib import Path

from digits.common.files import list_modules

# Internals of scikit-learn's estimators that skops does not trust by itself.
_INTERNALS = (
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
    "sklearn.tree._tree.Tree",
    "sklearn.utils._bunch.Bunch",
)
_LIBRARY = Path(__file__).resolve().parents[1]
_FUNCTIONS_OF = "scaling.py"  # what a FunctionTransformer may call


@cache
def trusted_names() -> tuple[str, ...]:
    """Return the full names of the types and functions that a model file may hold.

    They are the public classes of the modules of features/ and models/, and the functions of
    features/scaling. They are read from the code, and nothing is imported: whoever only hands the
    names on, as the logging of a model does, needs no scikit-learn.
    """
    names = list(_INTERNALS)
    for room in ("features", "models"):
        for file in list_modules(_LIBRARY / room):
            kinds = (ast.ClassDef, ast.FunctionDef) if file.name == _FUNCTIONS_OF else ast.ClassDef
            names += [
                f"digits.{room}.{file.stem}.{node.name}"
                for node in ast.parse(file.read_text(encoding="utf-8")).body
                if isinstance(node, kinds) and not node.name.startswith("_")
            ]
    return tuple(names)
