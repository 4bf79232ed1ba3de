"""What every test about jobs leaves behind: nothing that beats."""

from collections.abc import Iterator

import pytest

from jobs import heartbeat


@pytest.fixture(autouse=True)
def no_heartbeat_is_left(db: None) -> Iterator[None]:
    """End the heartbeat that a step may have started in this process."""
    yield
    heartbeat.retire()
