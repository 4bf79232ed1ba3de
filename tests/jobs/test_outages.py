"""What a worker child holds when a store went away under it is given up, though it lives."""

from collections.abc import Callable
from uuid import UUID

import pytest
from django.db import OperationalError

from jobs import heartbeat, lifecycle, tasks, workflow
from jobs.models import Attempt, Job
from jobs.states import DISPATCH, PREPARE, AttemptState, Step
from tests.jobs.walk import bring_to


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Release at once what a child holds."""
    monkeypatch.setattr(workflow, "RELEASE_PAUSE_SECONDS", 0.0)


def claimed(job: Job, step: Step, worker: str) -> UUID:
    attempt = bring_to(job, step.takes)
    assert lifecycle.claim(step=step, attempt_ids=[attempt.pk], worker=worker)
    return attempt.pk


def outage_in(task: tasks.JobTask, attempt_id: UUID) -> Attempt:
    task.on_failure(OperationalError("away"), "", [[str(attempt_id)]], {}, None)
    return Attempt.objects.get(pk=attempt_id)


@pytest.mark.django_db
def test_a_repeatable_step_waits_again_at_no_fault(make_job: Callable[..., Job]) -> None:
    attempts = claimed(make_job(), PREPARE, heartbeat.current_worker())
    attempt = outage_in(tasks.prepare, attempts)
    assert (attempt.state, attempt.worker, attempt.crash_count) == (AttemptState.QUEUED, None, 0)


@pytest.mark.django_db
def test_a_dispatch_that_may_have_started_a_call_is_broken_off(
    make_job: Callable[..., Job],
) -> None:
    attempts = claimed(make_job(), DISPATCH, heartbeat.current_worker())
    assert outage_in(tasks.dispatch, attempts).state == AttemptState.ERRORED


@pytest.mark.django_db
def test_what_another_worker_holds_is_left_to_it(make_job: Callable[..., Job]) -> None:
    attempts = claimed(make_job(), PREPARE, "another:1")
    attempt = outage_in(tasks.prepare, attempts)
    assert (attempt.state, attempt.worker) == (AttemptState.PREPARING, "another:1")
