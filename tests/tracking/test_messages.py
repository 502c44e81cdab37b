"""Errors in one line: no password, whatever signs it has, and no advice cut off."""

from pathlib import Path

import mlflow
import pytest

from digits.commands.runs import mlflow_errors_as_bad_input
from digits.common.errors import BadInput
from digits.tracking.messages import one_line, without_password
from digits.tracking.store import Store

PASSWORDS = ["secret", "p@ss", "pa:ss", "pa/ss", "p%40ss", "p%2Fss", "@", "my secret", "a?b#c"]
SCHEMES = ["http", "https", "postgresql", "mysql+pymysql"]


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("password", PASSWORDS)
def test_an_address_is_shown_without_its_password(
    monkeypatch: pytest.MonkeyPatch, scheme: str, password: str
) -> None:
    uri = f"{scheme}://u:{password}@runs.invalid:5000/x"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    assert without_password(uri) == f"{scheme}://runs.invalid:5000/x"
    assert without_password(f"on {uri}: go") == f"on {scheme}://runs.invalid:5000/x: go"


def test_a_password_in_what_is_no_address_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "u:secret@runs.invalid:5000")
    assert without_password("'u:secret@runs.invalid:5000'") == "'runs.invalid:5000'"


@pytest.mark.parametrize(
    "text",
    [
        "http://runs.invalid:5000",
        "sqlite:////home/me@work/.mlflow/mlflow.db",
        "file:///home/me@work/a",
        "me@example.org",
    ],
)
def test_what_has_no_password_stays(text: str) -> None:
    assert without_password(text) == text


@pytest.mark.parametrize("password", [each for each in PASSWORDS if each != "@"])
def test_a_librarys_text_has_no_part_of_it(monkeypatch: pytest.MonkeyPatch, password: str) -> None:
    """Each takes the address apart in its own way."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://u:{password}@runs.invalid")
    half = password.rpartition("@")[2]
    for text in (
        f"API request to http://{half}@runs.invalid/api failed",
        f"host='{half}@runs.invalid', port=1",
        f"login u:{password} refused",
        f"nonnumeric port: {password.partition('/')[0]!r}",
    ):
        said = one_line(ValueError(text))
        for part in (password, half, "ss", "secret"):
            assert part not in said.replace("refused", "").replace("login", "").split(), said
            assert f"{part}@" not in said and f"'{part}'" not in said, said


def test_a_token_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "t0ken-1")
    assert one_line(ValueError("Bearer t0ken-1 was refused")) == "Bearer *** was refused"


def test_is_one_line_without_the_servers_page() -> None:
    page = "404 != 200. Response body: '<!doctype html>\n<html lang=en>...'"
    assert one_line(ValueError(page)) == "404 != 200"
    text = "Detected out-of-date database schema. " + "Take a backup,\n then upgrade. " * 9
    assert one_line(ValueError(text)) == " ".join(text.split()).rstrip(".")


def test_a_very_long_text_ends_with_a_word() -> None:
    said = one_line(ValueError("words " * 1000))
    assert len(said) <= 600 and said.removesuffix(" ").endswith("words")


@pytest.mark.parametrize("uri", ["http://u:p@ss@127.0.0.1:1", "http://u:pa/ss@127.0.0.1:1"])
def test_mlflows_own_texts(monkeypatch: pytest.MonkeyPatch, shared: Path, uri: str) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    said = Store(shared).connection_error
    assert "http://127.0.0.1:1 does not answer" in said
    assert "ss@" not in said and "u:p" not in said and "'pa'" not in said, said


def test_what_mlflow_says_in_a_command_is_one_sentence_with_a_cure() -> None:
    said = (
        "(sqlite3.OperationalError) attempt to write a readonly database "
        "[SQL: INSERT INTO experiment_tags (key) VALUES (?)] [parameters: ('x',)]"
    )
    sentence = r"readonly database: who runs this must be allowed to write to it.*folder\.$"
    with pytest.raises(BadInput, match=sentence), mlflow_errors_as_bad_input():
        raise mlflow.MlflowException(said)
