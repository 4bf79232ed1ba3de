"""A Modal control plane on loopback, and the backend that talks to it."""

from collections.abc import Iterator

import pytest
from pytest_django import Settings

from jobs.calls.backends.modal import ModalBackend
from tests.gpu_tasks.peer import Peer
from tests.gpu_tasks.peer import serving as serving_peer
from tests.modal_peer.book import Book
from tests.modal_peer.scenario import Scenario
from tests.modal_peer.serving import Peer as ModalPeer
from tests.modal_peer.serving import serving


@pytest.fixture
def peer() -> Iterator[Peer]:
    """Run an HTTP server."""
    with serving_peer() as running:
        yield running


@pytest.fixture(scope="module")
def running_modal_peer() -> Iterator[ModalPeer]:
    with serving() as peer:
        yield peer


@pytest.fixture
def modal_peer(
    running_modal_peer: ModalPeer, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ModalPeer]:
    """Run a peer without calls, to which the settings point."""
    settings.MODAL_TOKEN_ID, settings.MODAL_TOKEN_SECRET = "ak-tests", "as-tests"
    monkeypatch.setenv("MODAL_SERVER_URL", running_modal_peer.url)
    vars(running_modal_peer.book).update(vars(Book()))
    yield running_modal_peer
    running_modal_peer.plays(Scenario.SUCCESS)


@pytest.fixture(scope="module")
def module_backend() -> ModalBackend:
    return ModalBackend()


@pytest.fixture
def backend(modal_peer: ModalPeer, module_backend: ModalBackend) -> ModalBackend:
    """Return the Modal backend; all tests of a module share its client, as a process does."""
    module_backend._alarmed_at.clear()
    return module_backend
