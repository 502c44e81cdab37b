"""Python's garbage collector, kept out of what stays in memory anyway."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_garbage() -> Iterator[None]:
    """Do not look for garbage inside the `with`, nor ever after in what was made there.

    It is for imports: what they make stays until the process ends, and they make so much that
    Python would search all of it again and again, then and at its exit. With scikit-learn and
    MLflow that is a quarter of their time.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
