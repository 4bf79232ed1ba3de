"""What every backend promises: the same tests for the local one and for Modal."""

from collections.abc import Collection
from typing import Protocol
from uuid import UUID, uuid4

import pytest
from django.conf import settings

from gpu_tasks.runtime.callback import (
    SIGNATURE_HEADER,
    TIMESTAMP_HEADER,
    Callback,
    derive_attempt_key,
    is_authentic,
)
from gpu_tasks.runtime.errors import ErrorCode
from jobs.calls.backends import local
from jobs.calls.backends.base import Backend, CallState, CallStatus
from jobs.calls.backends.local import LocalBackend
from jobs.calls.backends.modal import ModalBackend
from tests.gpu_tasks.peer import Peer
from tests.jobs.calls.backends.calls import noop
from tests.modal_peer.scenario import Scenario
from tests.modal_peer.serving import Peer as ModalPeer
from tests.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)

ENDED = {CallState.DONE, CallState.LOST}
UNDER_WAY = {CallState.QUEUED, CallState.RUNNING, CallState.UNDER_WAY}
RUN_SECONDS = 30.0


class Place(Protocol):
    """A backend, and the machines behind it."""

    unknown_id: str

    @property
    def backend(self) -> Backend: ...

    def run(self, call_ids: Collection[str]) -> None:
        """Let these calls come to their end."""
        ...


class Local:
    backend = LocalBackend()
    unknown_id = str(uuid4())

    def run(self, call_ids: Collection[str]) -> None:
        for call_id in call_ids:
            local.run(UUID(call_id))


class OnModal:
    unknown_id = "fc-unknown"

    def __init__(self, backend: ModalBackend, peer: ModalPeer) -> None:
        self.backend = backend
        self._peer = peer
        peer.plays(Scenario.NEVER)

    def run(self, call_ids: Collection[str]) -> None:
        for call_id in call_ids:
            self._peer.run_now(call_id)

        def all_ended() -> bool:
            return all(item.state in ENDED for item in self.backend.poll(call_ids).values())

        until(all_ended, RUN_SECONDS)


@pytest.fixture(params=["local", "modal"])
def place(request: pytest.FixtureRequest) -> Place:
    if request.param == "local":
        return Local()
    return OnModal(request.getfixturevalue("backend"), request.getfixturevalue("modal_peer"))


def status(position: Place, call_id: str) -> CallStatus:
    return position.backend.poll([call_id])[call_id]


def failure(position: Place, call_id: str) -> ErrorCode:
    current = status(position, call_id)
    assert current.state is CallState.DONE
    return current.outcome.error.code


def test_every_attempt_gets_a_call_of_its_own(place: Place):
    calls = [noop() for _ in range(7)]
    started = place.backend.spawn(calls)
    assert set(started) == {call.attempt_id for call in calls}
    assert len(set(started.values())) == len(calls)
    states = place.backend.poll(started.values())
    assert set(states) == set(started.values())
    assert {item.state for item in states.values()} <= UNDER_WAY
    place.backend.stop(started.values())


def test_nothing_can_be_asked_for(place: Place):
    assert place.backend.spawn([]) == {}
    assert place.backend.poll([]) == {}
    place.backend.stop([])


def test_a_call_ends_with_its_outcome_and_tells_it(place: Place, peer: Peer):
    call = noop(callback_url=peer.url("/callback"))
    call_id = place.backend.spawn([call])[call.attempt_id]
    place.run([call_id])
    current = status(place, call_id)
    assert current.state is CallState.DONE
    assert current.outcome.result == {}
    assert current.outcome.engine.model == "noop"
    headers, body = peer.posts[-1]
    sent_at = headers[TIMESTAMP_HEADER]
    assert is_authentic(
        key=derive_attempt_key(secret=settings.GPU_CALLBACK_SECRET, attempt_id=call.attempt_id),
        timestamp=sent_at,
        body=body,
        signature=headers[SIGNATURE_HEADER],
        now=float(sent_at),
    )
    report = Callback.model_validate_json(body)
    assert (report.kind, report.call_id, report.attempt_id, report.job_id) == (
        "outcome",
        call_id,
        call.attempt_id,
        call.payload.job_id,
    )
    assert report.outcome.result == {}


@pytest.mark.parametrize("code", [ErrorCode.INPUT_INVALID, ErrorCode.GPU_OOM])
def test_an_error_is_an_outcome(place: Place, peer: Peer, code: ErrorCode):
    call = noop(callback_url=peer.url("/callback"), error=code)
    call_id = place.backend.spawn([call])[call.attempt_id]
    place.run([call_id])
    assert failure(place, call_id) is code
    assert Callback.model_validate_json(peer.posts[-1][1]).outcome.error.code is code


def test_an_engine_that_is_not_there_is_an_error_of_the_model(place: Place, peer: Peer):
    call = noop(callback_url=peer.url("/callback"), engine="production")
    call_id = place.backend.spawn([call])[call.attempt_id]
    place.run([call_id])
    assert failure(place, call_id) is ErrorCode.MODEL_ERROR
    assert Callback.model_validate_json(peer.posts[-1][1]).kind == "outcome"


def test_a_lost_callback_loses_no_outcome(place: Place):
    call = noop()  # which nobody hears
    call_id = place.backend.spawn([call])[call.attempt_id]
    place.run([call_id])
    assert status(place, call_id).outcome.result == {}


def test_a_call_that_nobody_knows_is_lost(place: Place):
    assert status(place, place.unknown_id).state is CallState.LOST


def test_a_stopped_call_is_lost_and_can_be_stopped_again(place: Place):
    call, other = noop(), noop()
    started = place.backend.spawn([call, other])
    for _ in range(2):
        place.backend.stop([started[call.attempt_id], place.unknown_id])
    assert status(place, started[call.attempt_id]).state is CallState.LOST
    assert status(place, started[other.attempt_id]).state in UNDER_WAY
    place.backend.stop(started.values())


def test_stopping_what_has_ended_changes_nothing(place: Place, peer: Peer):
    call = noop(callback_url=peer.url("/callback"))
    call_id = place.backend.spawn([call])[call.attempt_id]
    place.run([call_id])
    place.backend.stop([call_id])
    assert status(place, call_id).outcome.result == {}


def test_it_is_asked_again_after_a_while(place: Place):
    assert 1 < place.backend.poll_seconds < 60
