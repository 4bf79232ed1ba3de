"""What every test about jobs leaves behind: nothing that beats or is known."""

from collections.abc import Iterator

import pytest

from jobs import circuits, floors, heartbeat, queries


@pytest.fixture(autouse=True)
def no_heartbeat_is_left(db: None) -> Iterator[None]:
    """End the heartbeat that a step may have started in this process."""
    yield
    heartbeat.retire()


@pytest.fixture(autouse=True)
def no_floor_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read queues from their beginnings, wherever another test's orchestrator has looked."""
    monkeypatch.setattr(floors, "_keeper", floors.Keeper())


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
