"""`POST /internal/gpu-callback`: believed only if signed, fresh, of the contract, and wanted."""

import json
import time
import uuid

import pytest
from django.test import Client
from pydantic import SecretStr

from gpu_tasks.runtime.callback import (
    ATTEMPT_HEADER,
    REPLAY_WINDOW_SECONDS,
    SIGNATURE_HEADER,
    TIMESTAMP_HEADER,
    compute_signature,
    derive_attempt_key,
)
from jobs import lifecycle
from jobs.models import Attempt, Job
from jobs.states import AttemptState
from tests.jobs.walk import OUTCOME, bring_to

URL = "/internal/gpu-callback"


def body_of(attempt, **fields):
    return {
        "kind": "progress",
        "job_id": str(attempt.job_id),
        "attempt_id": str(attempt.pk),
        "call_id": "call-1",
        "progress": 0.5,
    } | fields


def send(settings, body, *, signer, age=0, secret=None, url=URL, **headers):
    """Post what the attempt ``signer`` has signed."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    timestamp = str(int(time.time()) - age)
    key = derive_attempt_key(secret=secret or settings.GPU_CALLBACK_SECRET, attempt_id=signer.pk)
    mac = compute_signature(key=key, timestamp=timestamp, body=raw)
    signed = {
        ATTEMPT_HEADER: str(signer.pk),
        TIMESTAMP_HEADER: timestamp,
        SIGNATURE_HEADER: mac,
    } | headers
    return Client().post(url, raw, content_type="application/json", headers=signed)


@pytest.fixture
def running(make_job):
    return bring_to(make_job(), AttemptState.RUNNING)


def test_progress_shows_on_the_job(settings, running):
    assert send(settings, body_of(running), signer=running).status_code == 200
    assert Job.objects.get().progress == 0.5


def test_the_end_is_stored_and_its_repetition_is_no_error(settings, running):
    body = body_of(running, kind="outcome", progress=1, outcome=OUTCOME.model_dump(mode="json"))
    assert [send(settings, body, signer=running).status_code for _ in range(3)] == [200, 200, 200]
    running.refresh_from_db()
    assert (running.state, running.outcome["result"]["language"]) == ("reported", "en")


@pytest.mark.parametrize(
    "forgery",
    [
        {"secret": "another"},
        {SIGNATURE_HEADER: "0" * 64},
        {SIGNATURE_HEADER: ""},
        {SIGNATURE_HEADER: "é"},
        {ATTEMPT_HEADER: str(uuid.UUID(int=3))},
        {ATTEMPT_HEADER: "é"},
        {ATTEMPT_HEADER: ""},
        {TIMESTAMP_HEADER: "1"},
        {TIMESTAMP_HEADER: "soon"},
        {"age": REPLAY_WINDOW_SECONDS + 2},
        {"age": -REPLAY_WINDOW_SECONDS - 2},
    ],
)
def test_what_is_not_signed_by_us_or_not_now_has_no_effect(settings, running, forgery):
    answer = send(settings, body_of(running), signer=running, **forgery)
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_signature")
    assert Job.objects.get().progress == 0


def test_a_call_speaks_for_its_own_attempt_only(settings, make_job, running):
    other = bring_to(make_job(), AttemptState.RUNNING)
    answer = send(settings, body_of(running), signer=other)
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_signature")
    assert Job.objects.get(pk=running.job_id).progress == 0


def test_calls_begun_before_the_secret_changed_are_heard(settings, running):
    before = settings.GPU_CALLBACK_SECRET
    settings.GPU_CALLBACK_SECRET = "another" * 10
    settings.GPU_CALLBACK_SECRET_FALLBACKS = [before]
    for secret in (before, settings.GPU_CALLBACK_SECRET):
        assert send(settings, body_of(running), signer=running, secret=secret).status_code == 200
    settings.GPU_CALLBACK_SECRET_FALLBACKS = []
    assert send(settings, body_of(running), signer=running, secret=before).status_code == 401


def test_our_secret_itself_is_no_key(settings, running):
    raw, timestamp = json.dumps(body_of(running)).encode(), str(int(time.time()))
    key = SecretStr(settings.GPU_CALLBACK_SECRET)
    mac = compute_signature(key=key, timestamp=timestamp, body=raw)
    answer = send(settings, raw, signer=running, **{SIGNATURE_HEADER: mac})
    assert answer.status_code == 401


def test_within_the_replay_window_it_is_taken(settings, running):
    age = REPLAY_WINDOW_SECONDS - 5
    assert send(settings, body_of(running), signer=running, age=age).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"\xff",
        b"[]",
        {"kind": "progress"},
        {"kind": "outcome", "outcome": {"result": None, "error": None}},
    ],
)
def test_what_is_not_of_the_contract_is_refused(settings, running, body):
    whole = body if isinstance(body, bytes) else body_of(running) | body | {"surprise": 1}
    assert send(settings, whole, signer=running).status_code == 400


def test_progress_beyond_one_is_refused(settings, running):
    assert send(settings, body_of(running, progress=1.0), signer=running).status_code == 200
    assert send(settings, body_of(running, progress=1.01), signer=running).status_code == 400


def test_an_unknown_attempt_is_404(settings, running):
    nobody = Attempt(pk=uuid.uuid4(), job_id=running.job_id)
    answer = send(settings, body_of(nobody), signer=nobody)
    assert answer.status_code == 404
    assert answer["Content-Type"] == "application/problem+json"


def test_an_older_attempt_is_409(settings, running):
    lifecycle.requeue_job(job_id=running.job_id, by="staff")
    assert send(settings, body_of(running), signer=running).status_code == 409


def test_a_cancelled_jobs_call_is_409(settings, running):
    lifecycle.cancel(job_id=running.job_id, by="user")
    body = body_of(running, kind="outcome", outcome=OUTCOME.model_dump(mode="json"))
    assert send(settings, body, signer=running).status_code == 409
    assert Attempt.objects.get().outcome is None


def test_only_post(settings, db):
    assert Client().get(URL).status_code == 405
