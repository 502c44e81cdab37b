"""What tests of MatrixSVC share: threads, and a comparison with what scikit-learn's SVC learns."""

import joblib
import numpy as np
from scipy.sparse import issparse
from sklearn.svm import SVC


def threads(n: int) -> joblib.parallel_config:
    return joblib.parallel_config(backend="threading", n_jobs=n)


def assert_learned_the_same(ours: SVC, stock: SVC) -> None:
    """All attributes, their types and each bit of them; the parameters may differ."""
    parameters = stock.get_params()
    ours_learned, stock_learned = (
        {name: value for name, value in vars(model).items() if name not in parameters}
        for model in (ours, stock)
    )
    assert list(ours_learned) == list(stock_learned)
    for name, expected in stock_learned.items():
        value = ours_learned[name]
        assert type(value) is type(expected), name
        if issparse(expected):
            value, expected = value.toarray(), expected.toarray()
        if isinstance(expected, np.ndarray):
            assert (value.dtype, value.shape) == (expected.dtype, expected.shape), name
            assert value.flags.c_contiguous and value.tobytes() == expected.tobytes(), name
        else:
            assert value == expected, name
    np.testing.assert_array_equal(ours.n_support_, stock.n_support_)
