"""Fixtures of the inference tests."""

import importlib.util
from collections.abc import Iterator

import pytest

from gpu_tasks.mediakit.audio import Samples
from tests.gpu_tasks.peer import Peer, serving
from tests.gpu_tasks.recordings import SHORT, sound_of

if importlib.util.find_spec("torchvision") is not None:  # in `make test-shims` alone
    from tests.gpu_tasks.shims import stand_in

    stand_in()


@pytest.fixture
def peer() -> Iterator[Peer]:
    """Run an HTTP server."""
    with serving() as running:
        yield running


@pytest.fixture(scope="session")
def short_sound() -> Samples:
    """Three seconds of speech."""
    return sound_of(SHORT)
