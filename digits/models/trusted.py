"""Names of what a model file may hold beyond scikit-learn's own estimators, which skops trusts.

A file says what it holds too, but that is no protection, so it is not asked. These are names, and
nothing is imported: whoever only hands the list on, as the logging of a model does, needs no
scikit-learn. A test holds them equal to what the tables of families and representations name.
"""

TRUSTED = [
    "digits.features.deskew.Deskew",
    "digits.features.scaling.sqrt_intensity",
    "digits.features.scaling.to_unit_interval",
    "digits.features.scattering.Scattering",
    "digits.models.committee.Committee",
    "digits.models.few_labels.FewLabelsClassifier",
    "digits.models.intelex.IntelexNeighborsClassifier",
    "digits.models.intelex.IntelexSVC",
    "digits.models.neighbors.PixelNeighborsClassifier",
    "digits.models.svm.MatrixSVC",
    # Internals of estimators that skops does not trust by itself.
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
    "sklearn.tree._tree.Tree",
    "sklearn.utils._bunch.Bunch",
]
