"""What is seen of a job on its way: it waits until a machine has it, and says if it starts over."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db.models import F
from django.utils import timezone
from rest_framework.test import APIClient

from gpu_tasks.runtime.errors import ErrorCode
from jobs import lifecycle
from jobs.calls.backends.base import CallState
from jobs.calls.backends.models import LocalCall, LocalCallState
from jobs.errors import JobError
from jobs.features.registry import get_feature
from jobs.models import Attempt, Job
from jobs.orchestrator import calls, repair
from jobs.states import AttemptState, ClientStatus
from tests.jobs.walk import OUTCOME, bring_to

LOST = "The machine doing the work was lost."


@pytest.fixture
def see(api: APIClient) -> Callable[[Job], dict[str, Any]]:
    """A job as its page and the list show it, which must agree; and as the list is narrowed."""

    def look(job: Job) -> dict[str, Any]:
        body: dict[str, Any] = api.get(f"/jobs/{job.pk}").json()
        [listed] = [
            job_row for job_row in api.get("/jobs").json()["jobs"] if job_row["id"] == str(job.pk)
        ]
        assert listed == {name: body[name] for name in listed}
        results = [
            status
            for status in ClientStatus.values
            if body["id"]
            in {job_row["id"] for job_row in api.get(f"/jobs?status={status}").json()["jobs"]}
        ]
        assert results == [body["status"]]
        return body

    return look


See = Callable[[Job], dict[str, Any]]


@pytest.fixture
def dispatched(make_job: Callable[..., Job]) -> Attempt:
    """A job whose call nobody has begun."""
    return bring_to(make_job(), AttemptState.RUNNING)


def report(attempt: Attempt, progress: float) -> None:
    lifecycle.report_progress(attempt_id=attempt.pk, call_id="call-1", progress=progress)
    Attempt.objects.update(progress_at=timezone.now() - lifecycle.PROGRESS_EVERY)


def lose(attempt: Attempt) -> Attempt:
    """Its worker dies, and the job gets another attempt, whose call waits."""
    lifecycle.mark_errored(
        attempt_id=attempt.pk,
        error=JobError.of(ErrorCode.GPU_UNAVAILABLE),
        states=[AttemptState.RUNNING],
    )
    repair.reconcile()
    return Attempt.objects.get(job=attempt.job_id, number=attempt.number + 1)


@pytest.mark.parametrize("state", AttemptState.values[:9])
def test_a_job_is_queued_until_a_machine_works_on_it(
    see: See, make_job: Callable[..., Job], state: str
) -> None:
    job = make_job()
    bring_to(job, state)
    body = see(job)
    waits = state in {"preparing", "prepared", "dispatching", "running"}
    expected = "pending" if state == "queued" else "queued" if waits else "processing"
    assert body["status"] == expected
    is_waiting = expected != "processing"
    assert (body["started_at"] is None) is is_waiting
    assert (body["queue_position"] == 1) is is_waiting
    assert (body["estimated_end_at"] is None) is is_waiting
    assert (body["progress"], body["attempt"], body["restarted"]) == (0.0, 1, None)


def test_a_job_runs_from_the_first_word_of_its_call(see: See, dispatched: Attempt) -> None:
    before = timezone.now()
    assert see(dispatched.job)["status"] == "queued"
    report(dispatched, 0.0)
    body = see(dispatched.job)
    assert (body["status"], body["progress"], body["queue_position"]) == ("processing", 0.0, None)
    assert before < datetime.fromisoformat(body["started_at"]) < timezone.now()
    usual = timedelta(seconds=get_feature("transcription").expected_seconds)
    assert end_of(body) - datetime.fromisoformat(body["started_at"]) == usual


def test_the_end_is_foreseen_by_the_jobs_own_pace(see: See, dispatched: Attempt) -> None:
    report(dispatched, 0.25)
    begun = timezone.now() - timedelta(seconds=100)
    Attempt.objects.update(started_at=begun)
    end, slack = end_of(see(dispatched.job)), timedelta(seconds=9)
    # By a quarter of the work in 100 s, and in what this test has taken since.
    assert timedelta(seconds=400) - slack < end - begun < 4 * (timezone.now() - begun) + slack
    Attempt.objects.update(started_at=begun - timedelta(days=1))
    Job.objects.update(progress=0.01)
    before, slack = timezone.now(), timedelta(seconds=5)
    assert before - slack < end_of(see(dispatched.job)) < timezone.now() + slack


def end_of(body: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(body["estimated_end_at"])


def test_progress_falls_with_a_new_attempt_only_and_that_is_told(
    see: See, dispatched: Attempt
) -> None:
    for share in (0.3, 0.7, 0.5):
        report(dispatched, share)
    assert see(dispatched.job)["progress"] == 0.7
    second = lose(dispatched)
    body = see(dispatched.job)
    assert (body["status"], body["progress"], body["attempt"]) == ("queued", 0.0, 2)
    assert body["restarted"] == f"{LOST} This is attempt 2."
    assert body["started_at"] is None
    Attempt.objects.filter(pk=second.pk).update(state=AttemptState.RUNNING, call_id="call-1")
    report(second, 0.1)
    body = see(dispatched.job)
    assert (body["status"], body["progress"], body["attempt"]) == ("processing", 0.1, 2)
    assert body["restarted"] == f"{LOST} This is attempt 2."


def test_a_job_that_staff_start_again_says_so(see: See, dispatched: Attempt) -> None:
    lifecycle.requeue_job(job_id=dispatched.job_id, by="staff@example.com")
    assert see(dispatched.job)["restarted"] == (
        "It was started again by our staff. This is attempt 2."
    )


def test_who_waits_has_those_before_them_counted(see: See, make_job: Callable[..., Job]) -> None:
    jobs = [make_job() for _ in range(3)]
    first = bring_to(jobs[0], AttemptState.RUNNING)
    last = make_job()
    assert [see(job)["queue_position"] for job in (*jobs, last)] == [1, 2, 3, 4]
    report(first, 0.0)
    assert [see(job)["queue_position"] for job in (*jobs, last)] == [None, 1, 2, 3]


# --- What the backend says, where calls are not heard of --------------------------------------


@pytest.fixture
def local_call(dispatched: Attempt) -> LocalCall:
    row = LocalCall.objects.create(
        attempt_id=dispatched.pk,
        function="transcription",
        engine="draft",
        queue="gpu.nobody",
        payload={},
    )
    Attempt.objects.filter(pk=dispatched.pk).update(call_id=str(row.pk))
    return row


def polled(attempt: Attempt) -> Job:
    Job.objects.update(wake_at=timezone.now())
    calls.follow()
    return attempt.job


def test_a_call_that_was_begun_unheard_is_seen_to_run(
    see: See, dispatched: Attempt, local_call: LocalCall
) -> None:
    assert see(polled(dispatched))["status"] == "queued"
    soon = timezone.now() + timedelta(minutes=1)
    LocalCall.objects.update(state=LocalCallState.RUNNING, worker="w", lease_expires_at=soon)
    assert see(polled(dispatched))["status"] == "processing"


def test_a_call_that_was_handed_back_waits_again_and_keeps_its_progress(
    see: See, dispatched: Attempt, local_call: LocalCall
) -> None:
    lifecycle.report_progress(attempt_id=dispatched.pk, call_id=str(local_call.pk), progress=0.4)
    body = see(polled(dispatched))  # which was handed back meanwhile
    assert (body["status"], body["progress"], body["attempt"]) == ("queued", 0.4, 1)
    assert body["restarted"] == "Its worker was stopped; another takes it over."


@pytest.mark.parametrize("told", ["0001-01-01T00:00:00Z", "9999-12-31T00:00:00Z", None])
def test_what_was_heard_of_only_by_its_end_began_between_start_and_end(
    see: See, dispatched: Attempt, told: str | None
) -> None:
    outcome = OUTCOME.model_validate({**OUTCOME.model_dump(mode="json"), "started_at": told})
    lifecycle.report_outcome(attempt_id=dispatched.pk, call_id="call-1", outcome=outcome)
    body = see(dispatched.job)
    dispatched.refresh_from_db()
    assert dispatched.started_at is not None
    assert dispatched.dispatched_at <= dispatched.started_at <= dispatched.reported_at
    assert (body["status"], body["queue_position"]) == ("processing", None)


@pytest.mark.parametrize("begun", [False, True])
def test_what_may_wait_elsewhere_is_not_timed_out_before_it_begins(
    dispatched: Attempt, begun: bool
) -> None:
    """As at Modal, which does not tell what waits from what runs."""
    if begun:
        report(dispatched, 0.0)
    Attempt.objects.update(lease_expires_at=F("created_at") - timedelta(seconds=1))
    dispatched.refresh_from_db()
    waits = calls._is_waiting(dispatched, calls.CallStatus(CallState.UNDER_WAY))
    assert waits is not begun
    lifecycle.extend_calls(
        attempt_ids=[dispatched.pk], seconds=30, waiting=waits, now=CallState.UNDER_WAY
    )
    dispatched.refresh_from_db()
    assert dispatched.lease_expires_at is not None
    assert (dispatched.lease_expires_at > timezone.now()) is waits
    assert (dispatched.started_at is not None) is begun
