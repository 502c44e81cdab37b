"""The one exception that is shown to the user as a message."""


class BadInput(Exception):
    """Something outside the code is wrong: a parameter, a file, a mirror.

    Its message is shown without a traceback, so it must say in one sentence what was wrong, where,
    and what is allowed.
    """

    exit_code = 1  # of a command that ends so
