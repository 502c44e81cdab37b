"""Versions of the libraries that compute, installed and pinned."""

from importlib.metadata import version

from digits.common.versions import (
    COMPUTING,
    installed_versions,
    other_versions,
    pinned_versions,
    unpinned_versions,
)
from tests.imports import ROOT

LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")


def test_installed_are_those_of_the_libraries_alone() -> None:
    """No version of Python, no platform: they go into an out, which is equal on every machine."""
    assert list(installed_versions()) == sorted(COMPUTING)
    assert installed_versions()["numpy"] == version("numpy")
    assert installed_versions("no-such-library")["no-such-library"] == "not installed"


def test_what_is_not_as_pinned_is_named_with_both_versions() -> None:
    numpy = version("numpy")
    lock = f"numpy=={numpy} \\\n    --hash=sha256:00\nscikit-learn==0.1 ; sys_platform != 'x' \\\n"
    installed = version("scikit-learn")
    assert unpinned_versions(lock) == [f"scikit-learn {installed} (pinned is 0.1)"]
    assert unpinned_versions("") == []


def test_versions_are_compared_by_the_names_that_both_have() -> None:
    ours, theirs = {"numpy": "2.4.6", "scipy": "1.17.1", "a": "1"}, pinned_versions("numpy==2.4.5")
    assert other_versions(ours, theirs, "pinned") == ["numpy 2.4.6 (pinned is 2.4.5)"]


def test_the_tests_run_with_the_pinned_ones() -> None:
    assert unpinned_versions(LOCK) == []
