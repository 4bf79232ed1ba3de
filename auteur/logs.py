"""The format of log lines: with the ids of the work, without personal data and secrets."""

import logging
import re
from types import TracebackType

from auteur import ids

_SECRETS = (
    (re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]*"), "[token]"),
    (re.compile(r"\b(Bearer|Basic)\s+[^\s\"',;]+", re.IGNORECASE), r"\1 [token]"),
    (re.compile(r"(\w+://)[^\s/@\"']*@"), r"\1[login]@"),  # user and password of a URL
    (re.compile(r"\?[^\s\"'<>]*=[^\s\"'<>]*"), "?[query]"),  # signatures stand in queries
    (re.compile(r"[\w.+-]+@[\w-]+(\.[\w-]+)+"), "[email]"),
    (re.compile(r"(Key \([^)]*\)=)\([^)]*\)"), r"\1(…)"),  # PostgreSQL's DETAIL quotes the row
    (re.compile(r"(Failing row contains )\(.*\)"), r"\1(…)"),
)


def scrubbed(text: str) -> str:
    """The text without tokens, logins, queries of URLs, e-mail addresses and quoted rows."""
    for pattern, instead in _SECRETS:
        text = pattern.sub(instead, text)
    return text


class Line(logging.Formatter):
    """Adds the ids that the work carries, and scrubs tracebacks: they quote what they met."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """The line, and ``[request=… task=…]`` behind it."""
        carried = " ".join(f"{name}={value}" for name, value in ids.current().items())
        line = super().formatMessage(record)
        return f"{line} [{carried}]" if carried else line

    def formatException(  # noqa: N802 - logging's name
        self,
        ei: tuple[type[BaseException], BaseException, TracebackType | None]
        | tuple[None, None, None],
    ) -> str:
        return scrubbed(super().formatException(ei))
