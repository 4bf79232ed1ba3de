"""Fixtures of the inference tests."""

from collections.abc import Iterator

import pytest

from gpu_tasks.audio import Samples
from tests.gpu_tasks.peer import Peer, serving
from tests.gpu_tasks.recordings import SHORT, sound_of


@pytest.fixture
def peer() -> Iterator[Peer]:
    """A running HTTP server."""
    with serving() as running:
        yield running


@pytest.fixture(scope="session")
def short_sound() -> Samples:
    """Three seconds of speech."""
    return sound_of(SHORT)
