"""Versions of the libraries that compute: as they are installed, and as the project pins them."""

import re
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from digits.common.files import read_json

# What splits, augments, learns and measures, and what draws and reads pictures. Others change no
# result.
COMPUTING = ("joblib", "numpy", "scikit-learn", "scipy", "skops", "threadpoolctl")
DRAWING = ("matplotlib", "pillow")

# The pins of these, and of what they need: a dependency of each stage that computes.
LOCK = Path("requirements.lock")


def installed_versions(*more: str) -> dict[str, str]:
    """Return the installed versions of the libraries that compute, and of others, by name."""
    versions = {}
    for name in sorted({*COMPUTING, *more}):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "not installed"
    return versions


def unpinned_versions(lock: str) -> list[str]:
    """Return "numpy 2.4.5 (pinned is 2.4.6)" for each library that is not installed as pinned.

    Parameters
    ----------
    lock : str
        The text of requirements.lock. What it does not pin is not compared.
    """
    return other_versions(installed_versions(*DRAWING), pinned_versions(lock), "pinned")


def pinned_versions(lock: str) -> dict[str, str]:
    """Return the versions that the text of requirements.lock pins, by name."""
    return dict(re.findall(r"^([a-z0-9-]+)==([^\s;\\]+)", lock, re.MULTILINE))


def other_versions(ours: Mapping[str, str], theirs: Mapping[str, str], what: str) -> list[str]:
    """Return "numpy 2.4.5 (`what` is 2.4.6)" for each library of which two versions differ."""
    return [
        f"{name} {version} ({what} is {theirs[name]})"
        for name, version in ours.items()
        if theirs.get(name, version) != version
    ]


def read_versions(file: Path) -> dict[str, str]:
    """Return the versions by name that `save_versions` wrote; none where the file is not there.

    Raises
    ------
    BadInput
        When the file is damaged.
    """
    return read_json(file) if file.exists() else {}
