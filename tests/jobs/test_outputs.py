"""What a completed job keeps of its calls, and where: each thing once (docs/decisions/0048)."""

import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from gpu_tasks.runtime.contract import EngineInfo, Outcome
from gpu_tasks.transcription.contract import RecordingTranscript
from jobs import lifecycle, outputs
from jobs.estimates import costs
from jobs.features.files import list_writes
from jobs.models import Attempt, Job
from jobs.personal_data import _list_jobs
from jobs.states import FINALIZE, AttemptState
from media.storage import object_storage
from tests.jobs.walk import WORKER, bring_to

pytestmark = pytest.mark.django_db

MakeJob = Callable[..., Job]
TRANSCRIPT = RecordingTranscript(language="en", duration_ms=1000, segments=[]).model_dump(
    mode="json"
)
OUTCOME = Outcome(
    result={"language": "en"},
    engine=EngineInfo(name="draft", model="m"),
    started_at="2026-01-01T00:00:00Z",
    load_seconds=1.0,
    seconds=2.0,
).model_dump(mode="json")


TOLD = {"segments_count": 0, "heard": "silence", "language": "en", "engine": None}
"""What the row of a completed transcription tells."""


def transcribed(job: Job, *, payload: dict[str, Any] | None = None, **result: Any) -> Attempt:
    """The job completed with a transcript, which lies in an object as well."""
    attempt = bring_to(job, AttemptState.COLLECTED)
    key = f"users/{job.user_id}/jobs/{job.pk}/{attempt.pk}/transcript.json"
    object_storage().write(key, json.dumps(TRANSCRIPT).encode(), "application/json")
    result = {"transcript": TRANSCRIPT, "result_key": key, **TOLD} | result
    values = {"payload": payload, "outcome": OUTCOME, "result": result}
    Attempt.objects.filter(pk=attempt.pk).update(**values)
    lifecycle.claim(step=FINALIZE, attempt_ids=[attempt.pk], worker=WORKER)
    assert lifecycle.complete(attempt_ids=[attempt.pk], worker=WORKER) == [attempt.pk]
    attempt.refresh_from_db()
    job.refresh_from_db()
    return attempt


def test_a_completed_attempt_keeps_its_figures_alone(make_job: MakeJob) -> None:
    attempt = transcribed(make_job(), payload={"text": "secret"})
    assert (attempt.payload, attempt.result) == (None, None)
    assert attempt.outcome == {
        "started_at": OUTCOME["started_at"],
        "load_seconds": 1.0,
        "seconds": 2.0,
        "tenths": [],
        "engine": OUTCOME["engine"],
    }
    measured = costs.annotate_costs(Attempt.objects.all()).get()
    assert (measured.load_seconds, measured.run_seconds) == (1.0, 2.0)


def test_what_a_call_wrote_outside_of_its_job_is_still_found(make_job: MakeJob, user: User) -> None:
    job = make_job()

    def write(key: str) -> dict[str, Any]:
        return {"write": {"key": key, "content_type": "video/mp4"}}

    segment = f"users/{user.pk}/renders/{uuid.uuid4()}/one.stretch"
    payload = {
        "timeline": {"clips": [1, {"write": 2}]},
        "result": write(f"users/{user.pk}/jobs/{job.pk}/{uuid.uuid4()}/result-0.mp4"),
        "made": [write(segment)],
        "sources": [None, {"read": {"key": "k", "name": "n"}}],
    }
    attempt = transcribed(job, payload=payload)
    assert attempt.payload == {"made": [write(segment)]}
    assert [write_entry.key for write_entry in list_writes(attempt)] == [segment]


def test_a_transcript_lies_in_its_object_alone_and_clients_see_no_difference(
    make_job: MakeJob, api: APIClient
) -> None:
    job = make_job()
    transcribed(job)
    assert job.output_data is not None
    assert set(job.output_data) == {"result_key", *TOLD}
    output_data = api.get(f"/jobs/{job.pk}").json()["output_data"]
    assert (output_data["transcript"], output_data["heard"]) == (TRANSCRIPT, "silence")
    assert set(output_data) == {"transcript", "result_url", *TOLD}


def test_an_export_has_the_transcript(make_job: MakeJob, user: User) -> None:
    transcribed(make_job())
    [listed] = _list_jobs(user.pk)
    assert listed["output_data"]["transcript"] == TRANSCRIPT


def test_older_outputs_hold_it_themselves(make_job: MakeJob) -> None:
    job = make_job()
    transcribed(job)
    older = {**(job.output_data or {}), "transcript": {"segments": ["older"]}}
    assert outputs.load_output(job.type, older) == older


def test_where_the_object_went_the_rest_is_told(make_job: MakeJob) -> None:
    job = make_job()
    transcribed(job)
    assert job.output_data is not None
    object_storage().delete(job.output_data["result_key"])
    assert outputs.load_output(job.type, job.output_data) == job.output_data


def test_an_object_is_read_as_far_as_its_bound(
    make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = make_job()
    transcribed(job)
    size = len(json.dumps(TRANSCRIPT))
    monkeypatch.setattr(outputs, "MAX_APART_BYTES", size)
    assert "transcript" in (outputs.load_output(job.type, job.output_data) or {})
    monkeypatch.setattr(outputs, "MAX_APART_BYTES", size - 1)
    assert "transcript" not in (outputs.load_output(job.type, job.output_data) or {})


def test_what_is_no_transcript_any_more_is_not_told(make_job: MakeJob, api: APIClient) -> None:
    job = make_job()
    transcribed(job)
    object_storage().write((job.output_data or {})["result_key"], b"{}", "application/json")
    response = api.get(f"/jobs/{job.pk}")
    assert (response.status_code, set(response.json()["output_data"])) == (
        200,
        {"result_url", *TOLD},
    )


def test_what_has_no_object_stays_in_the_row(make_job: MakeJob) -> None:
    job = make_job()
    attempt = bring_to(job, AttemptState.COLLECTED)
    Attempt.objects.filter(pk=attempt.pk).update(result={"transcript": TRANSCRIPT})
    lifecycle.claim(step=FINALIZE, attempt_ids=[attempt.pk], worker=WORKER)
    lifecycle.complete(attempt_ids=[attempt.pk], worker=WORKER)
    job.refresh_from_db()
    assert job.output_data == {"transcript": TRANSCRIPT}


def test_others_of_the_same_name_stay_in_the_row(make_job: MakeJob) -> None:
    """Only a feature that says so has something stored apart."""
    job = make_job()
    Job.objects.filter(pk=job.pk).update(type="video_query")
    job.refresh_from_db()
    attempt = transcribed(job)
    assert attempt.state == AttemptState.COMPLETED
    assert (job.output_data or {})["transcript"] == TRANSCRIPT


def test_what_failed_keeps_what_it_said_for_its_days(make_job: MakeJob) -> None:
    job = make_job()
    attempt = bring_to(job, AttemptState.REPORTED)
    lifecycle.cancel(job_id=job.pk, by="user")
    attempt.refresh_from_db()
    assert attempt.payload is not None
    assert "result" in (attempt.outcome or {})
