"""The embedded stack, started once for all journeys (see `tests.scheduling`)."""

from collections.abc import Iterator

import pytest

from tests.journeys.stack import JourneyStack


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JourneyStack]:
    """API, orchestrator, workers, Flower and stores, all real."""
    running = JourneyStack(tmp_path_factory.mktemp("stack") / "var", {"RATE_LIMIT": "6000/minute"})
    try:
        running.wait_until_ready()
        yield running
    finally:
        running.stop()
