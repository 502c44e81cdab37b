"""`python -m digits check`: whether params.yaml can be run, before anything is."""

import argparse
from pathlib import Path

HELP = "see whether params.yaml, or another such file, can be run"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the files."""
    parser.add_argument(
        "files", nargs="*", type=Path, default=[Path("params.yaml")], help="by default params.yaml"
    )


def run(arguments: argparse.Namespace) -> None:
    """Read each file as the stages do. Raises BadInput, with a sentence for each mistake."""
    from digits.params.schema import read_params

    for file in arguments.files:
        read_params(file)
        print(f"{file} can be run.")
