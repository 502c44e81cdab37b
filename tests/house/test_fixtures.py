"""What the fixtures of all tests promise."""

import os

import pytest


@pytest.fixture(scope="module")
def leaving() -> None:
    """MLflow writes there what it used last."""
    os.environ["MLFLOW_TRACKING_URI"] = "sqlite:///another.db"


@pytest.fixture(scope="class")
def found() -> str | None:
    return os.environ.get("MLFLOW_TRACKING_URI")


class TestLeft:
    @pytest.mark.usefixtures("leaving")
    def test_by_what_several_tests_share(self) -> None:
        assert "MLFLOW_TRACKING_URI" not in os.environ


class TestGone:
    def test_for_what_others_share(self, found: str | None) -> None:
        assert found is None
