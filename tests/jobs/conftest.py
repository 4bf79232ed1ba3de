"""What every test about jobs leaves behind: nothing that beats or is known."""

from collections.abc import Iterator

import pytest
from django.db import connection
from pytest_django import Settings

from jobs import heartbeat, queries, watermarks
from jobs.calls import circuits


@pytest.fixture(autouse=True)
def no_heartbeat_is_left(db: None, settings: Settings) -> Iterator[None]:
    """End the heartbeat that a step may have started in this process.

    Inside a test's transaction it beats once: the next beat would wait for the row's lock.
    """
    if connection.in_atomic_block:
        settings.HEARTBEAT_SECONDS = 3600.0
    yield
    heartbeat.stop_heartbeat()


@pytest.fixture(autouse=True)
def no_floor_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read queues from their beginnings, wherever another test's orchestrator has looked."""
    monkeypatch.setattr(watermarks, "_keeper", watermarks.WatermarkKeeper())


@pytest.fixture(autouse=True)
def no_history_is_known() -> None:
    """Let what other tests' jobs took be forgotten."""
    queries._history.cache_clear()


@pytest.fixture(autouse=True)
def no_circuit_is_cached() -> Iterator[None]:
    """Read circuits anew, before this test and after it."""
    circuits.forget_cache()
    yield
    circuits.forget_cache()
