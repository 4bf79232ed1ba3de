"""The main job as a user lives it: through HTTP, on the whole running stack."""

import pytest
import requests

from tests.journeys.backends import in_long_runs, on_each_backend
from tests.journeys.recordings import BROKEN, INTERVIEW

pytestmark = pytest.mark.xdist_group("stack")

DONE_WITHIN = 90.0
RECOVERED_WITHIN = 150.0


def test_a_recording_becomes_a_transcript_in_the_edl(person, project_id):
    media_id = person.media_of(project_id, INTERVIEW)
    job = person.wait_for(person.transcribe(media_id), DONE_WITHIN)
    assert job["status"] == "completed"
    assert job["output_data"]["engine"]["name"] == "draft"
    shares = [progress for _, progress in job["seen"]]
    assert shares == sorted(shares)
    assert any(0 < share < 1 for share in shares)

    transcript = person.get(f"/projects/{project_id}/edl")["transcript"]
    segments = transcript["segments"]
    assert len(segments) == job["output_data"]["segments_count"] > 0
    assert {segment["media_file_id"] for segment in segments} == {media_id}
    assert {segment["speaker"] for segment in segments} == {"Speaker 1", "Speaker 2"}
    starts = [segment["start_ms"] for segment in segments]
    assert starts == sorted(starts)
    assert all(word["confidence"] <= 1 for segment in segments for word in segment["words"])

    stored = requests.get(job["output_data"]["result_url"], timeout=10)
    assert stored.json()["segments"] == job["output_data"]["transcript"]["segments"]
    assert person.history() == [("bonus", 10, 10), ("usage", -1, 9)]


@on_each_backend
def test_a_file_that_will_not_decode_fails_and_is_refunded(person, project_id):
    media_id = person.media_of(project_id, BROKEN)
    job = person.wait_for(person.transcribe(media_id), DONE_WITHIN)
    assert (job["status"], job["credits_refunded"]) == ("failed", True)
    assert job["error"]["code"] == "INPUT_INVALID"
    assert job["error"]["retryable"] is False
    assert person.history() == [("bonus", 10, 10), ("usage", -1, 9), ("refund", 1, 10)]
    assert person.get(f"/projects/{project_id}/edl")["transcript"]["segments"] == []


@on_each_backend
def test_a_running_job_can_be_cancelled_and_its_call_stops(
    stack, person, project_id, long_recording
):
    job_id = person.transcribe(person.media_of(project_id, long_recording))
    person.wait_for_progress(job_id, DONE_WITHIN)
    person.post(f"/jobs/{job_id}/cancel")
    job = person.wait_for(job_id, 1.0)
    assert (job["status"], job["error"]["code"]) == ("cancelled", "CANCELLED")
    assert person.history()[1:] == [("usage", -1, 9), ("refund", 1, 10)]
    # The worker, or the container, is free again: the next job runs to its end.
    other = person.transcribe(person.media_of(project_id, INTERVIEW))
    assert person.wait_for(other, DONE_WITHIN)["status"] == "completed"


def test_orchestrator_and_step_workers_killed_do_not_lose_the_job(stack, person, project_id):
    media_id = person.media_of(project_id, INTERVIEW)
    job_ids = [person.transcribe(media_id) for _ in range(2)]
    for process in [
        stack.process("orchestrator"),
        *stack.children("worker-steps"),
        stack.process("worker-steps"),
    ]:
        process.kill()
    jobs = [person.wait_for(job_id, RECOVERED_WITHIN) for job_id in job_ids]
    assert {job["status"] for job in jobs} == {"completed"}
    assert [kind for kind, _, _ in person.history()] == ["bonus", "usage", "usage"]


@in_long_runs
def test_redis_killed_with_all_its_messages_does_not_lose_the_job(stack, person, project_id):
    media_id = person.media_of(project_id, INTERVIEW)
    job_ids = [person.transcribe(media_id) for _ in range(2)]
    stack.process("redis").kill()
    job_ids.append(person.transcribe(media_id))  # taken with Redis away
    jobs = [person.wait_for(job_id, RECOVERED_WITHIN) for job_id in job_ids]
    assert {job["status"] for job in jobs} == {"completed"}
    balance = person.get("/credits")["balance"]
    assert balance == 10 - len(job_ids)
