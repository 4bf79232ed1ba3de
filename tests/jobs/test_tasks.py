"""The Celery tasks under Celery's own tracer: what raises fails its job, once, with a refund."""

import logging
import uuid

import pytest
from django.db import OperationalError

from credits.models import CreditTransaction
from gpu_tasks.runtime.errors import ErrorCode
from jobs import lifecycle, tasks
from jobs.errors import JobError
from jobs.models import Attempt, Job
from jobs.states import AttemptState
from tests.jobs.walk import bring_to


def broken(job, code=ErrorCode.INPUT_INVALID):
    attempt = bring_to(job, AttemptState.RUNNING)
    lifecycle.mark_errored(
        attempt_id=attempt.pk, error=JobError(code, "No sound."), states=[AttemptState.RUNNING]
    )
    return attempt


def refunds(job):
    return CreditTransaction.objects.filter(job=job, type="refund").count()


def test_the_failed_queue_raises_the_stored_error_and_on_failure_ends_the_job(make_job):
    job = make_job()
    attempt = broken(job)
    result = tasks.fail.apply(args=[[str(attempt.pk)]])
    job.refresh_from_db()
    assert result.state == "FAILURE"
    assert (job.status, job.error_code) == ("failed", "INPUT_INVALID")
    assert (job.error_message, job.credits_refunded) == ("No sound.", True)
    assert refunds(job) == 1


def test_a_failed_job_is_no_error_of_ours_in_the_log(make_job, caplog):
    attempt = broken(make_job())
    with caplog.at_level(logging.INFO):
        tasks.fail.apply(args=[[str(attempt.pk)]])
    messages = [record for record in caplog.records if "JobFailed" in record.getMessage()]
    assert [(record.levelname, record.exc_info) for record in messages] == [("INFO", None)]
    assert "No sound." in messages[0].getMessage()


def test_a_doubled_message_changes_nothing(make_job):
    job = make_job()
    attempt = broken(job)
    states = [tasks.fail.apply(args=[[str(attempt.pk)]]).state for _ in range(3)]
    assert states == ["FAILURE", "SUCCESS", "SUCCESS"]
    assert refunds(job) == 1


def test_on_failure_may_run_twice(make_job):
    job = make_job()
    attempt = broken(job)
    for _ in range(2):
        tasks.fail.on_failure(ValueError("x"), "task-id", ([str(attempt.pk)],), {}, None)
    job.refresh_from_db()
    assert (job.status, job.error_code, refunds(job)) == ("failed", "MODEL_ERROR", 1)


def test_an_unknown_exception_tells_the_user_nothing_of_our_insides(make_job):
    attempt = broken(make_job())
    secret = ValueError("password=hunter2 at /srv/auteur/jobs.py")
    tasks.fail.on_failure(secret, "task-id", ([str(attempt.pk)],), {}, None)
    job = Job.objects.get(pk=attempt.job_id)
    assert job.error_message == JobError.of(ErrorCode.MODEL_ERROR).message


def test_an_outage_of_ours_fails_no_job(make_job):
    job = make_job()
    attempt = broken(job)
    tasks.fail.on_failure(OperationalError("gone"), "task-id", ([str(attempt.pk)],), {}, None)
    job.refresh_from_db()
    assert (job.status, refunds(job)) == ("processing", 0)


def test_a_steps_crash_ends_only_what_that_step_holds(make_job):
    job = make_job()
    attempt = bring_to(job, AttemptState.RUNNING)
    tasks.prepare.on_failure(ValueError("late"), "task-id", ([str(attempt.pk)],), {}, None)
    job.refresh_from_db()
    assert job.status == "processing"


@pytest.mark.parametrize("task", [tasks.prepare, tasks.dispatch, tasks.collect, tasks.finalize])
def test_messages_for_nothing_are_harmless(db, task):
    assert task.apply(args=[[str(uuid.uuid4())]]).state == "SUCCESS"
    assert not Attempt.objects.exists()


def test_every_job_task_carries_attempt_ids_alone():
    from celery import current_app

    ours = {name: task for name, task in current_app.tasks.items() if name.startswith("jobs.")}
    assert set(ours) == {
        "jobs.prepare",
        "jobs.dispatch",
        "jobs.collect",
        "jobs.finalize",
        "jobs.fail",
    }
    for task in ours.values():
        assert isinstance(task, tasks.JobTask)
        assert list(task.run.__annotations__) == ["attempt_ids", "return"]
        assert (task.acks_late, task.ignore_result) == (False, True)
