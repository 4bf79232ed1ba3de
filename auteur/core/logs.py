"""The format of log lines: with the ids of the work, without personal data and secrets."""

import logging
import re
from types import TracebackType
from urllib.parse import unquote

from auteur.core import ids

SHARED = "/shared/"
"""The prefix of URLs that grant access by themselves. Logs contain only their route."""
_ROUTE = rf"{SHARED}:token"
_SHARED = re.compile(rf"{SHARED}[\w%-]{{16,}}[^\s\"'<>]*")
"""A segment of this length is a token. Shorter ones are folders in tracebacks."""
_SECRETS = (
    (_SHARED, _ROUTE),
    (re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]*"), "[token]"),
    (re.compile(r"\b(Bearer|Basic)\s+[^\s\"',;]+", re.IGNORECASE), r"\1 [token]"),
    (re.compile(r"(\w+://)[^\s/@\"']*@"), r"\1[login]@"),  # A URL's user and password are secrets.
    (re.compile(r"\?[^\s\"'<>]*=[^\s\"'<>]*"), "?[query]"),  # Queries contain signatures.
    (re.compile(r"[\w.+-]+@[\w-]+(\.[\w-]+)+"), "[email]"),
    (re.compile(r"(Key \([^)]*\)=)\([^)]*\)"), r"\1(…)"),  # PostgreSQL's DETAIL quotes the row
    (re.compile(r"(Failing row contains )\(.*\)"), r"\1(…)"),
)


def scrub(text: str) -> str:
    """Return the text without tokens, logins, queries of URLs, email addresses and quoted rows."""
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


def redact_path(raw_path: str) -> str:
    """Return the path of a request as the access log may contain it."""
    path = unquote(raw_path) if "%" in raw_path else raw_path
    return _ROUTE if path.startswith(SHARED) else raw_path


class LineFormatter(logging.Formatter):
    """A formatter that adds the ids of the work and scrubs tracebacks, which quote values.

    Log messages are ours and Django's. Of them, only paths can contain a secret.
    """

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """Return the line, followed by ``[request=… task=…]``."""
        labels = " ".join(f"{name}={value}" for name, value in ids.current().items())
        line = _SHARED.sub(_ROUTE, super().formatMessage(record))
        return f"{line} [{labels}]" if labels else line

    def formatException(  # noqa: N802 - logging's name
        self,
        ei: tuple[type[BaseException], BaseException, TracebackType | None]
        | tuple[None, None, None],
    ) -> str:
        return scrub(super().formatException(ei))
