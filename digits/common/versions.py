"""Versions of the libraries that compute: as they are installed, and as the project pins them."""

import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

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
    pinned = dict(re.findall(r"^([a-z0-9-]+)==([^\s;\\]+)", lock, re.MULTILINE))
    return [
        f"{name} {installed} (pinned is {pinned[name]})"
        for name, installed in installed_versions(*DRAWING).items()
        if pinned.get(name, installed) != installed
    ]
