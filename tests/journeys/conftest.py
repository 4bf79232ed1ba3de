"""The embedded stack, started once for all journeys (see `tests.scheduling`)."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journeys.stack import JourneyStack


@pytest.fixture(scope="session")
def stack() -> Iterator[JourneyStack]:
    """API, orchestrator, workers, Flower and stores, all real.

    Not under pytest's own folder: each pytest that starts closes that to all other users, and
    PostgreSQL is one, where we are root.
    """
    with tempfile.TemporaryDirectory(prefix="auteur-journeys-") as folder:
        running = JourneyStack(Path(folder) / "var", {"RATE_LIMIT": "6000/minute"})
        try:
            running.wait_until_ready()
            yield running
        finally:
            running.stop()
