"""The Celery tasks under Celery's own tracer: what raises fails its job, once, with a refund."""

import logging
import pickle
import uuid

import pytest
from django.db import OperationalError

from credits.models import CreditTransaction
from gpu_tasks.runtime.errors import ErrorCode
from jobs import heartbeat, lifecycle, tasks, workflow
from jobs.errors import AttemptsFailedError, JobError
from jobs.models import Attempt, Job
from jobs.states import PREPARE, AttemptState
from media.models import MediaFile
from tests.jobs.walk import admit, bring_to


def without_media(job):
    """Return the queued attempt of a job whose input has been deleted."""
    MediaFile.objects.filter(pk=job.media_ids[0]).delete()
    return admit(job)


def held(job):
    """Return an attempt that this process has claimed for `prepare`."""
    attempt = bring_to(job, AttemptState.QUEUED)
    worker = heartbeat.current_worker()
    assert lifecycle.claim(step=PREPARE, attempt_ids=[attempt.pk], worker=worker)
    return attempt


def refunds(job):
    return CreditTransaction.objects.filter(job=job, type="refund").count()


def test_a_step_raises_its_error_and_on_failure_ends_the_job(make_job):
    job = make_job()
    attempt = without_media(job)
    result = tasks.prepare.apply(args=[[str(attempt.pk)]])
    job.refresh_from_db()
    attempt.refresh_from_db()
    assert result.state == "FAILURE"
    assert (job.status, job.error_code, attempt.state) == ("failed", "INPUT_INVALID", "failed")
    assert ("deleted" in job.error_message, job.credits_refunded) == (True, True)
    assert refunds(job) == 1


def test_a_failed_job_is_no_error_of_ours_in_the_log(make_job, caplog):
    attempt = without_media(make_job())
    with caplog.at_level(logging.INFO):
        tasks.prepare.apply(args=[[str(attempt.pk)]])
    told = [record for record in caplog.records if "AttemptsFailed" in record.getMessage()]
    assert [(record.levelname, record.exc_info) for record in told] == [("INFO", None)]
    assert "deleted" in told[0].getMessage()


def test_an_error_that_is_retried_is_left_to_the_orchestrator(make_job, monkeypatch):
    def refuse(attempt):
        raise workflow.EngineError(ErrorCode.STORAGE_ERROR)

    monkeypatch.setattr(workflow, "_prepare_attempt", refuse)
    job = make_job()
    attempt = admit(job)
    assert tasks.prepare.apply(args=[[str(attempt.pk)]]).state == "SUCCESS"
    attempt.refresh_from_db()
    job.refresh_from_db()
    assert (attempt.state, attempt.error_code) == (AttemptState.ERRORED, "STORAGE_ERROR")
    assert (job.status, refunds(job)) == ("processing", 0)


def test_a_doubled_message_changes_nothing(make_job):
    job = make_job()
    attempt = without_media(job)
    states = [tasks.prepare.apply(args=[[str(attempt.pk)]]).state for _ in range(3)]
    assert states == ["FAILURE", "SUCCESS", "SUCCESS"]
    assert refunds(job) == 1


def test_on_failure_may_run_twice(make_job):
    job = make_job()
    attempt = held(job)
    for _ in range(2):
        tasks.prepare.on_failure(ValueError("x"), "task-id", ([str(attempt.pk)],), {}, None)
    job.refresh_from_db()
    assert (job.status, job.error_code, refunds(job)) == ("failed", "MODEL_ERROR", 1)


def test_on_failure_ends_only_the_jobs_that_the_error_names(make_job):
    bad, good = held(make_job()), held(make_job())
    error = JobError(ErrorCode.INPUT_INVALID, "No sound.")
    raised = pickle.loads(pickle.dumps(AttemptsFailedError({bad.pk: error})))  # noqa: S301
    tasks.prepare.on_failure(raised, "task-id", ([str(bad.pk), str(good.pk)],), {}, None)
    ended, other = Job.objects.get(pk=bad.job_id), Job.objects.get(pk=good.job_id)
    assert (ended.status, ended.error_code, ended.error_message) == (
        "failed",
        "INPUT_INVALID",
        "No sound.",
    )
    assert (other.status, refunds(ended), refunds(other)) == ("processing", 1, 0)


def test_an_unknown_exception_tells_the_user_nothing_of_our_insides(make_job):
    attempt = held(make_job())
    secret = ValueError("password=hunter2 at /srv/auteur/jobs.py")
    tasks.prepare.on_failure(secret, "task-id", ([str(attempt.pk)],), {}, None)
    job = Job.objects.get(pk=attempt.job_id)
    assert job.error_message == JobError.of(ErrorCode.MODEL_ERROR).message


def test_an_outage_of_ours_fails_no_job(make_job, monkeypatch):
    monkeypatch.setattr(workflow, "RELEASE_PAUSE_SECONDS", 0.0)
    job = make_job()
    attempt = held(job)
    tasks.prepare.on_failure(OperationalError("gone"), "task-id", ([str(attempt.pk)],), {}, None)
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
    }
    for task in ours.values():
        assert isinstance(task, tasks.JobTask)
        assert list(task.run.__annotations__) == ["attempt_ids", "return"]
        assert (task.acks_late, task.ignore_result) == (False, True)
