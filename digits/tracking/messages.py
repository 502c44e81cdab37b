"""Sentences: on errors of MLflow and on addresses, without a password; and on what was measured."""

import os
import re
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, unquote

from digits.common.extras import install_command

LONGEST = 600  # letters: MLflow's advice stands at the end of its texts

# What else a client shows to a server.
_SECRETS = (
    "MLFLOW_TRACKING_PASSWORD",
    "MLFLOW_TRACKING_TOKEN",
    "PGPASSWORD",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
)

_IN_QUERY = r"(?<=[?&]password=)[^&\s]+"  # as PostgreSQL's addresses may have it


def accuracy_in_words(metrics: Mapping[str, Any]) -> str:
    """Say how many images were read right, with the interval; no images, no words."""
    if not metrics.get("n"):
        return ""
    low, share, high = (
        f"{100 * metrics[name]:.2f}" for name in ("accuracy_low", "accuracy", "accuracy_high")
    )
    return (
        f"{share} % of {metrics['n']:,} images right ({low} to {high}), {metrics['errors']} errors"
    )


def one_line(error: Exception) -> str:
    """An error in one line, without a server's page or SQL, and without any part of a password."""
    text = re.sub(r"\s*(Response body: '?<|\[SQL: ).*", "", str(error), flags=re.DOTALL)
    text = without_password(re.sub(r"\s*\(Background on this error at: \S+\)", "", text))
    for part in _secret_parts():
        text = re.sub(rf"(?<!\w){re.escape(part)}(?!\w)", "***", text)
    return textwrap.shorten(text, LONGEST, placeholder=" ...").rstrip(".")


def without_password(text: str) -> str:
    """A text with http://host in the place of http://user:secret@host.

    A password may hold any sign, also those that should have been written with %: all is taken
    away up to the last @. An address without a host, as file:///home/me@work, is left as it is.
    """
    uri = os.environ.get("MLFLOW_TRACKING_URI", "")
    rest = uri.partition("://")[2] or uri  # without a scheme it is no address, but may be meant so
    if "@" in rest and not re.match("/|file:|sqlite:", rest):  # with blanks, more than one word
        text = text.replace(rest, rest.rpartition("@")[2])
    text = re.sub(_IN_QUERY, "***", text)
    return re.sub(r"(?<!/)//(?!/)\S*@", "//", text)


def install_missing(error: ImportError) -> str:
    """What installs the library that could not be imported."""
    return install_command((error.name or "").partition(".")[0])


def _secret_parts() -> Iterator[str]:
    """The passwords of the environment and their parts, which MLflow may show, longest first."""
    _, _, address = os.environ.get("MLFLOW_TRACKING_URI", "").partition("://")
    user = address.rpartition("@")[0]
    secrets = {user.partition(":")[2] or user, *(os.environ.get(name, "") for name in _SECRETS)}
    secrets.update(re.findall(_IN_QUERY, address))
    forms = {form for secret in secrets for form in (secret, unquote(secret))}
    forms |= {quote(form, safe="") for form in forms}
    parts = {part for form in forms for part in (form, *re.split(r"\W+", form))}
    yield from sorted((part for part in parts if len(part) > 1), key=len, reverse=True)
