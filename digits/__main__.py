"""`python -m digits COMMAND`: what to do with results, outside the pipeline."""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from digits.commands.output import escape_unprintable
from digits.common.environment import require_packages, set_environment
from digits.common.errors import BadInput

# Each is a module of digits.commands with HELP, add_arguments(parser) and run(arguments).
COMMANDS = (
    "compare",
    "best",
    "report",
    "promote",
    "restore",
    "predict",
    "evaluate",
    "queue",
    "ladder",
    "ui",
    "serve",
    "draw",
    "check",
    "catalogue",
)
INTERRUPTED = 130  # the exit code of what Ctrl-C ended, as shells have it


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; whatever is wrong outside the code is one sentence on stderr.

    Parameters
    ----------
    arguments : sequence of str, optional
        The command's name and its arguments; by default those of this process.

    Returns
    -------
    int
        The exit code: 0; 1 for what went wrong; 3 for results that are not on this machine;
        130 after Ctrl-C.
    """
    require_packages(Path(__file__).resolve().parent.parent)
    set_environment()  # before a command imports NumPy or MLflow
    escape_unprintable()
    try:
        parsed = _parser().parse_args(arguments)
        code: int | None = parsed.run(parsed)
    except BadInput as error:
        print(f"digits: {error}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:  # whoever reads the output has enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        from digits.common.files import why_not_written

        if not (why := why_not_written(error)):
            raise
        print(f"digits: {why}.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    return code or 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m digits", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name in COMMANDS:
        command = import_module(f"digits.commands.{name}")
        subparser = commands.add_parser(name, help=command.HELP, description=command.HELP)
        command.add_arguments(subparser)
        subparser.set_defaults(run=command.run)
    return parser


if __name__ == "__main__":
    sys.exit(main())
