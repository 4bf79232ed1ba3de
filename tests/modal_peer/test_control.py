"""What another process sees of the peer's calls, and how it changes what becomes of them."""

import time
from collections.abc import Iterator

import modal
import pytest

from auteur.devstack.ports import HOST, find_free_ports
from tests.jobs.calls.backends.calls import noop
from tests.modal_peer.control import RemoteBook
from tests.modal_peer.scenario import Scenario
from tests.modal_peer.serving import Peer
from tests.waiting import until

SECONDS = 20.0


@pytest.fixture
def peer(monkeypatch: pytest.MonkeyPatch) -> Iterator[Peer]:
    running = Peer(control_port=find_free_ports(1)[0])
    running.start()
    monkeypatch.setenv("MODAL_SERVER_URL", running.url)
    yield running
    running.stop()


@pytest.fixture
def book(peer: Peer) -> RemoteBook:
    return RemoteBook(f"http://{HOST}:{peer.control_port}")


@pytest.fixture
def client(peer: Peer) -> Iterator[modal.Client]:
    created = modal.Client.from_credentials("ak-any", "as-any")
    yield created
    created.close()


def spawn(client: modal.Client, seconds: float) -> modal.FunctionCall:
    function = modal.Function.from_name("auteur", "noop", client=client)
    return function.spawn(noop(seconds=seconds).payload.model_dump(mode="json"), "draft", "key")


def test_a_call_is_open_until_it_has_run(book: RemoteBook, client: modal.Client) -> None:
    book.plays(Scenario.RUN)
    call = spawn(client, 0.5)
    (waiting,) = book.open_calls()
    assert waiting.call_id == call.object_id
    call.get(timeout=SECONDS)
    until(lambda: not book.open_calls(), SECONDS)
    assert book.taken() == 1


def test_a_call_that_was_cancelled_before_it_ran_is_over(
    book: RemoteBook, client: modal.Client
) -> None:
    book.plays(Scenario.NEVER)
    call = spawn(client, 0)
    assert len(book.open_calls()) == 1
    call.cancel()
    assert not book.open_calls()


def test_a_cancelled_call_is_open_while_its_function_runs_on(
    book: RemoteBook, client: modal.Client, peer: Peer
) -> None:
    book.plays(Scenario.RUN)
    call = spawn(client, 1.0)
    run = peer.book.calls[call.object_id].run
    until(run.running, SECONDS)
    call.cancel()
    assert len(book.open_calls()) == 1
    until(lambda: not book.open_calls(), SECONDS)


@pytest.mark.parametrize("lost", [Scenario.CRASH, Scenario.EXPIRED])
def test_what_comes_next_is_changed_and_lost_calls_are_over(
    book: RemoteBook, client: modal.Client, lost: Scenario
) -> None:
    book.plays(Scenario.RUN, upcoming=(lost,))
    call = spawn(client, 0)
    with pytest.raises(modal.exception.Error):
        call.get(timeout=0)
    assert (book.taken(), book.open_calls()) == (1, [])


def test_a_call_that_was_not_heard_of_runs_where_others_run(
    book: RemoteBook, client: modal.Client
) -> None:
    book.plays(Scenario.RUN, upcoming=(Scenario.LOST_REPLIES,))
    with pytest.raises(modal.exception.ServiceError):
        spawn(client, 0)
    assert book.taken() == 1
    until(lambda: not book.open_calls(), SECONDS)


def test_a_call_whose_start_is_answered_late_runs_all_the_same(
    book: RemoteBook, client: modal.Client, peer: Peer
) -> None:
    peer.book.late_seconds = 1.0
    book.plays(Scenario.LATE_REPLY)
    began = time.monotonic()
    call = spawn(client, 0)
    assert time.monotonic() - began >= 1.0
    call.get(timeout=SECONDS)
    ((job_id, run),) = book.run_by_job().items()
    assert (run, book.taken_by_job()) == (1, {job_id: 1})
