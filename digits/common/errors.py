"""The one exception that a person is meant to read."""


class BadInput(Exception):
    """Something outside the code is wrong: a param, a file, a mirror.

    Its message is shown without a traceback, so it must say in one sentence what was wrong, where, and what is allowed.
    """

    exit_code = 1  # of a command that ends so
