"""`POST /internal/gpu-callback`: believed only if signed, fresh, of the contract, and wanted."""

import json
import time
import uuid

import pytest
from django.test import Client

from gpu_tasks.callback import (
    REPLAY_WINDOW_SECONDS,
    SIGNATURE_HEADER,
    TIMESTAMP_HEADER,
    signature,
)
from jobs import lifecycle
from jobs.models import Attempt, AttemptState, Job
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


def send(settings, body, *, age=0, secret=None, **headers):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    timestamp = str(int(time.time()) - age)
    mac = signature(secret=secret or settings.GPU_CALLBACK_SECRET, timestamp=timestamp, body=raw)
    signed = {TIMESTAMP_HEADER: timestamp, SIGNATURE_HEADER: mac} | headers
    return Client().post(URL, raw, content_type="application/json", headers=signed)


@pytest.fixture
def running(make_job):
    return bring_to(make_job(), AttemptState.RUNNING)


def test_progress_shows_on_the_job(settings, running):
    assert send(settings, body_of(running)).status_code == 200
    assert Job.objects.get().progress == 0.5


def test_the_end_is_stored_and_its_repetition_is_no_error(settings, running):
    body = body_of(running, kind="outcome", progress=1, outcome=OUTCOME.model_dump(mode="json"))
    assert [send(settings, body).status_code for _ in range(3)] == [200, 200, 200]
    running.refresh_from_db()
    assert (running.state, running.outcome["result"]["language"]) == ("reported", "en")


@pytest.mark.parametrize(
    "forgery",
    [
        {"secret": "another"},
        {SIGNATURE_HEADER: "0" * 64},
        {SIGNATURE_HEADER: ""},
        {SIGNATURE_HEADER: "é"},
        {TIMESTAMP_HEADER: "1"},
        {TIMESTAMP_HEADER: "soon"},
        {"age": REPLAY_WINDOW_SECONDS + 2},
        {"age": -REPLAY_WINDOW_SECONDS - 2},
    ],
)
def test_what_is_not_signed_by_us_or_not_now_has_no_effect(settings, running, forgery):
    answer = send(settings, body_of(running), **forgery)
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_signature")
    assert Job.objects.get().progress == 0


def test_within_the_replay_window_it_is_taken(settings, running):
    age = REPLAY_WINDOW_SECONDS - 5
    assert send(settings, body_of(running), age=age).status_code == 200


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
    assert send(settings, whole).status_code == 400


def test_progress_beyond_one_is_refused(settings, running):
    assert send(settings, body_of(running, progress=1.0)).status_code == 200
    assert send(settings, body_of(running, progress=1.01)).status_code == 400


def test_an_unknown_attempt_is_404(settings, running):
    answer = send(settings, body_of(running, attempt_id=str(uuid.uuid4())))
    assert answer.status_code == 404
    assert answer["Content-Type"] == "application/problem+json"


def test_an_older_attempt_is_409(settings, running):
    lifecycle.requeue(job_id=running.job_id, by="staff")
    assert send(settings, body_of(running)).status_code == 409


def test_a_cancelled_jobs_call_is_409(settings, running):
    lifecycle.cancel(job_id=running.job_id, by="user")
    body = body_of(running, kind="outcome", outcome=OUTCOME.model_dump(mode="json"))
    assert send(settings, body).status_code == 409
    assert Attempt.objects.get().outcome is None


def test_only_post(settings, db):
    assert Client().get(URL).status_code == 405
