"""Store and read the clock skew between orchestrators' machines and PostgreSQL, for `/metrics`."""

import socket
from collections.abc import Iterator
from datetime import timedelta

from jobs import cached_figures, sql

NAME = "clock_skew"
STORE_SECONDS = 60.0
FORGOTTEN_AFTER = timedelta(hours=1)
"""Age after which a machine's skew is no longer shown."""


def store(seconds: float) -> int:
    """Store this machine's skew, in seconds ahead of PostgreSQL. Return 0, always."""
    sql.run(
        "store_clock_skew",
        figure=NAME,
        host=socket.gethostname(),
        seconds=round(seconds, 3),
        forgotten_after=FORGOTTEN_AFTER,
    )
    return 0


def stored() -> Iterator[tuple[str, float]]:
    """Return each machine's name with its skew in seconds."""
    figure = cached_figures.read_figures(NAME)
    for host, entry in (figure.value if figure else {}).items():
        yield host, float(entry["seconds"])
