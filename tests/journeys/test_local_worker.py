"""The worker that runs calls on our own machines, hurt in the middle of one."""

import pytest

from tests.journeys.backends import in_long_runs
from tests.journeys.test_transcription import DONE_WITHIN, RECOVERED_WITHIN

pytestmark = pytest.mark.xdist_group("stack")


def test_a_worker_child_killed_in_the_middle_does_not_lose_the_job(
    stack, person, project_id, long_recording
):
    job_id = person.transcribe(person.media_of(project_id, long_recording))
    person.wait_for_progress(job_id, DONE_WITHIN)
    for child in stack.children("worker-cpu"):
        child.kill()
    job = person.wait_for(job_id, RECOVERED_WITHIN)
    assert job["status"] == "completed"
    assert [kind for kind, _, _ in person.history()] == ["bonus", "usage"]


@in_long_runs
def test_a_whole_worker_killed_in_the_middle_does_not_lose_the_job(
    stack, person, project_id, long_recording
):
    job_id = person.transcribe(person.media_of(project_id, long_recording))
    person.wait_for_progress(job_id, DONE_WITHIN)
    for process in [stack.process("worker-cpu"), *stack.children("worker-cpu")]:
        process.kill()
    assert person.wait_for(job_id, RECOVERED_WITHIN)["status"] == "completed"
    assert [kind for kind, _, _ in person.history()] == ["bonus", "usage"]


def test_a_worker_told_to_stop_hands_its_call_back(stack, person, project_id, long_recording):
    job_id = person.transcribe(person.media_of(project_id, long_recording))
    person.wait_for_progress(job_id, DONE_WITHIN)
    stack.process("worker-cpu").terminate()
    assert person.wait_for(job_id, RECOVERED_WITHIN)["status"] == "completed"
    body = stack.manage("shell", "-v", "0", "-c", ATTEMPTS.format(job_id=job_id))
    assert body == "1 completed"


ATTEMPTS = (
    "from jobs.models import Attempt;"
    "a = Attempt.objects.get(job_id='{job_id}');"
    "print(a.number, a.state)"
)
