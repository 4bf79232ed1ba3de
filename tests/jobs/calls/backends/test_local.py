"""Calls on workers of our own: stopped ones are marked, outcomes outlive an outage."""

import logging
import os
import uuid
from typing import Any

import psycopg
import pytest
from django.db import connection
from django.db.models.functions import Now
from pytest_django import Settings

from auteur.core.work import liveness
from auteur.core.work.leases import Lease, LeaseLostError
from gpu_tasks.runtime.callback import ATTEMPT_HEADER, derive_attempt_key
from gpu_tasks.runtime.contract import Failure, Outcome
from gpu_tasks.runtime.errors import ErrorCode
from jobs.calls.backends import local
from jobs.calls.backends.local import CALLS
from jobs.calls.backends.models import LocalCall, LocalCallState
from tests.gpu_tasks.peer import Peer

pytestmark = pytest.mark.django_db(transaction=True)

OUTCOME = Outcome(error=Failure(code=ErrorCode.GPU_OOM, message="Too large."))
CONFLICT = 409


def call(peer: Peer, **fields: Any) -> LocalCall:
    attempt_id = uuid.uuid4()
    payload = {
        "job_id": str(uuid.uuid4()),
        "attempt_id": str(attempt_id),
        "callback_url": peer.url("/callback"),
        "media": {"url": peer.url("/talk.wav"), "name": "talk.wav"},
        "language": "en",
        "speaker_diarization": False,
        "transcript": {"key": "k", "content_type": "application/json"},
    }
    defaults = {"function": "transcription", "engine": "draft", "queue": "gpu.cpu"}
    return LocalCall.objects.create(attempt_id=attempt_id, payload=payload, **(defaults | fields))


def running(peer: Peer, worker: str = "me") -> LocalCall:
    soon = Now() + CALLS.duration
    return call(peer, state=LocalCallState.RUNNING, worker=worker, lease_expires_at=soon)


def lease(row: LocalCall) -> Lease[LocalCall]:
    return Lease(CALLS, row.pk, "me")


def lose_connection() -> None:
    assert isinstance(connection.connection, psycopg.Connection)
    pid = connection.connection.info.backend_pid
    with psycopg.connect(
        connection.connection.info.dsn, password=connection.settings_dict["PASSWORD"]
    ) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])


def test_a_call_that_nobody_wants_ends_as_cancelled(peer: Peer) -> None:
    peer.files["/talk.wav"] = b"some sound"
    peer.statuses["/callback"] = [CONFLICT]
    unwanted = call(peer)
    local.run(unwanted.pk)
    unwanted.refresh_from_db()
    assert unwanted.state == LocalCallState.CANCELLED
    assert unwanted.finished_at is not None
    assert len(peer.posts) == 1


def test_what_is_kept_of_a_call_holds_no_key(
    peer: Peer, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    broken = call(peer, engine="none")
    local.run(broken.pk)
    key = derive_attempt_key(secret=settings.GPU_CALLBACK_SECRET, attempt_id=broken.attempt_id)
    broken.refresh_from_db()
    assert peer.posts[-1][0][ATTEMPT_HEADER] == str(broken.attempt_id)
    expected = f"{vars(broken)} {caplog.text}"
    assert key.get_secret_value() not in expected
    assert settings.GPU_CALLBACK_SECRET not in expected


@pytest.mark.parametrize(("queue", "is_fit"), [("gpu.cpu", True), ("gpu.l4", False)])
@pytest.mark.parametrize("answer", [200, CONFLICT])
def test_after_an_error_on_a_gpu_the_process_is_unfit(
    peer: Peer, queue: str, is_fit: bool, answer: int
):
    peer.statuses["/callback"] = [200, answer]  # it begins, and ends
    broken = call(peer, queue=queue, engine="none")
    assert local.run(broken.pk) is is_fit
    broken.refresh_from_db()
    assert broken.outcome["error"]["code"] == "MODEL_ERROR"
    assert local.run(broken.pk) is True  # nothing to do, nothing spoilt


def test_a_worker_that_stops_releases_the_calls_of_its_children(peer: Peer) -> None:
    ours, other_items = running(peer, worker=liveness.get_process_name()), running(peer)
    local.release_calls_of_children(os.getppid())
    states = dict(LocalCall.objects.values_list("pk", "state"))
    assert states == {ours.pk: LocalCallState.QUEUED, other_items.pk: LocalCallState.RUNNING}
    assert str(ours.pk) in local._list_calls_in_redis(ours.queue)
    assert CALLS.claim(ours.pk) is not None
    assert CALLS.claim(ours.pk) is None


def test_an_outcome_is_stored_though_the_connection_is_lost(peer: Peer) -> None:
    row = running(peer)
    lose_connection()
    local._store_through_outages(lease(row), OUTCOME)
    row.refresh_from_db()
    assert row.state == LocalCallState.DONE
    assert row.outcome["error"]["code"] == "GPU_OOM"


def test_the_outcome_of_a_call_taken_away_is_not_stored(peer: Peer) -> None:
    row = running(peer, worker="another")
    with pytest.raises(LeaseLostError):
        local._store_through_outages(lease(row), OUTCOME)
    row.refresh_from_db()
    assert (row.state, row.outcome) == (LocalCallState.RUNNING, None)
