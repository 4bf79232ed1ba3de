"""`POST /internal/gpu-callback/outputs`: a running call's outputs, one by one, each once."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest
import requests

from gpu_tasks.runtime.errors import ErrorCode
from jobs import lifecycle, workflow
from jobs.errors import JobError
from jobs.models import Attempt, Job
from jobs.states import AttemptState
from media.storage import ObjectStorage
from tests.jobs.http.test_callbacks import send
from tests.jobs.walk import OUTCOME, bring_to

URL = "/internal/gpu-callback/outputs"
JSON = "application/json"
CONTENT = b'{"segments": []}'
LARGEST = 64 * 1024**2
"""Of a transcription's outputs."""


@pytest.fixture
def running(make_job: Callable[[], Job]) -> Attempt:
    """An attempt whose call runs, and may write one file."""
    attempt = bring_to(make_job(), AttemptState.RUNNING)
    key = f"users/{attempt.job.user_id}/jobs/{attempt.job_id}/{attempt.pk}/transcript.json"
    attempt.payload = {
        "language": "en",
        "transcript": {"write": {"key": key, "content_type": JSON}},
    }
    attempt.save(update_fields=["payload"])
    return attempt


@pytest.fixture
def ask(settings: Any, running: Attempt) -> Callable[..., Any]:
    """Ask for a place for the file, or for another."""

    def request(signer: Attempt = running, **fields: object) -> Any:
        body = {
            "job_id": str(running.job_id),
            "attempt_id": str(signer.pk),
            "call_id": "call-1",
            "key": running.payload["transcript"]["write"]["key"],
            "content_type": JSON,
            "size_bytes": len(CONTENT),
        }
        return send(settings, body | fields, signer=signer, url=URL)

    return request


def put(answer: Any, content: bytes = CONTENT, **headers: str) -> int:
    """Write to the place that was given; the status."""
    body = answer.json()
    sent = requests.put(body["url"], data=content, headers=body["headers"] | headers, timeout=10)
    return sent.status_code


def test_an_output_is_written_once(ask, running: Attempt, storage: ObjectStorage):
    key = running.payload["transcript"]["write"]["key"]
    first, second = ask(), ask()  # as after an answer that was lost
    assert (first.status_code, second.status_code) == (200, 200)
    assert put(first) == 200
    assert (put(first), put(second, b"x" * len(CONTENT))) == (412, 412)
    assert storage.read(key, 1000) == CONTENT
    assert storage.head(key).content_type == JSON


def test_a_place_holds_the_size_and_type_that_were_told(ask, storage: ObjectStorage):
    headers = ask().json()["headers"]
    assert headers == {"Content-Type": JSON, "If-None-Match": "*"}
    query = ask().json()["url"].partition("?")[2].lower()
    assert "content-length" in query or f"size_bytes={len(CONTENT)}" in query


@pytest.mark.parametrize(
    ("content", "headers"),
    [(CONTENT + b" ", {}), (CONTENT[:-1], {}), (CONTENT, {"Content-Type": "text/html"})],
)
def test_what_was_not_told_is_not_taken(
    ask, running: Attempt, filesystem_storage: ObjectStorage, content: bytes, headers: dict
):
    """The storage of files refuses it; S3 does by the signature (`tests/media/storage`)."""
    assert put(ask(), content, **headers) in (403, 413, 422)
    assert filesystem_storage.list_objects(f"users/{running.job.user_id}/") == []


def test_the_largest_output_has_a_place_and_nothing_above_it(ask, filesystem_storage):
    assert ask(size_bytes=LARGEST).status_code == 200
    answer = ask(size_bytes=LARGEST + 1)
    assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")


def test_no_output_is_larger_than_an_upload(ask, filesystem_storage, settings):
    settings.MAX_UPLOAD_BYTES = 10
    assert ask(size_bytes=11).status_code == 413


@pytest.mark.parametrize(
    "fields",
    [{"key": "users/another/file.json"}, {"key": "../x"}, {"content_type": "text/html"}],
)
def test_what_was_not_promised_has_no_place(ask, filesystem_storage, fields: dict[str, str]):
    answer = ask(**fields)
    assert (answer.status_code, answer.json()["code"]) == (422, "output_not_promised")


@pytest.mark.parametrize("size", [-1, "much", None])
def test_a_size_is_a_size(ask, size: object):
    assert ask(size_bytes=size).status_code == 400


def cancelled(attempt: Attempt) -> None:
    lifecycle.cancel(job_id=attempt.job_id, by="user")


def superseded(attempt: Attempt) -> None:
    lifecycle.requeue_job(job_id=attempt.job_id, by="staff")


def reported(attempt: Attempt) -> None:
    lifecycle.report_outcome(attempt_id=attempt.pk, call_id="call-1", outcome=OUTCOME)


def broken(attempt: Attempt) -> None:
    error = JobError.of(ErrorCode.GPU_UNAVAILABLE)
    lifecycle.mark_errored(attempt_id=attempt.pk, error=error, states=[AttemptState.RUNNING])


@pytest.mark.parametrize("end", [cancelled, superseded, reported, broken])
def test_who_is_not_current_has_no_place(ask, running: Attempt, end: Callable[[Attempt], None]):
    end(running)
    answer = ask()
    assert (answer.status_code, answer.json()["code"]) == (409, "attempt_superseded")


def test_another_call_of_the_attempt_has_no_place(ask):
    assert ask(call_id="call-2").status_code == 409


def test_another_attempt_has_no_place_for_it(ask, make_job):
    other = bring_to(make_job(), AttemptState.RUNNING)
    assert ask(signer=other).status_code == 422
    assert ask(signer=other, attempt_id=str(uuid.uuid4())).status_code == 401


def test_a_call_starts_with_no_url_to_write_to(running: Attempt, filesystem_storage):
    media = {"read": {"key": "users/1/film.mp4", "name": "film.mp4"}}
    running.payload |= {"media": media, "speaker_diarization": False}
    payload = workflow.signed_payload(running)
    assert set(payload.transcript.model_dump()) == {"key", "content_type"}
