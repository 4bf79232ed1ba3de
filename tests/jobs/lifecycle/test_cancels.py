"""Cancelling begun jobs is refunded a few times a day, and not without end."""

import threading
from datetime import datetime

import pytest
from django.db import connections
from django.db.models import F

from credits import ledger
from gpu_tasks.runtime.errors import POLICIES, ErrorCode
from jobs import cancels, derived_media, lifecycle
from jobs.audit import ledger_audit
from jobs.cancels import CAUSED_BY_US, CAUSED_BY_USER, WINDOW, FreeCancelsUsedProblem
from jobs.errors import JobError
from jobs.hooks import end_jobs_of_project
from jobs.models import Job, RunningCancel
from jobs.states import AttemptState
from projects.models import Project
from tests.jobs.walk import bring_to

LIMIT = 2
AGREED = {"without_refund": True}


@pytest.fixture(autouse=True)
def few_are_free(settings):
    settings.MAX_FREE_CANCELS, settings.CPU_LIMIT = LIMIT, 20


@pytest.fixture
def running(make_job):
    def make():
        job = make_job()
        bring_to(job, AttemptState.RUNNING)
        return job

    return make


@pytest.fixture
def cancel(api):
    def post(job, **body):
        return api.post(f"/jobs/{job.pk}/cancel", body, format="json")

    return post


def used_up(running, cancel):
    for _ in range(LIMIT):
        assert cancel(running()).json()["credits_refunded"] is True


def test_the_last_free_one_comes_back_and_the_next_is_refused(user, running, cancel):
    used_up(running, cancel)
    before = ledger.get_balance(user_id=user.pk)
    job = running()
    answer = cancel(job)
    assert (answer.status_code, answer.json()["code"]) == (409, "free_cancels_used")
    next_free = datetime.fromisoformat(answer.json()["next_free_at"])
    assert next_free == RunningCancel.objects.earliest("created_at").created_at + WINDOW
    job.refresh_from_db()
    assert (job.status, job.attempt.stop_requested_at) == ("processing", None)
    assert ledger.get_balance(user_id=user.pk) == before - job.credits_cost


def test_it_is_cancelled_all_the_same_where_that_is_agreed_to(user, running, cancel):
    used_up(running, cancel)
    job = running()
    before = ledger.get_balance(user_id=user.pk)
    answer = cancel(job, **AGREED).json()
    assert (answer["status"], answer["credits_refunded"]) == ("cancelled", False)
    assert ledger.get_balance(user_id=user.pk) == before
    job.refresh_from_db()
    assert job.attempt.stop_requested_at is not None
    assert ledger_audit.check().total == 0


def test_who_agrees_has_the_credits_back_while_it_is_free(running, cancel):
    assert cancel(running(), **AGREED).json()["credits_refunded"] is True


def test_a_day_later_it_is_free_again(running, cancel):
    used_up(running, cancel)
    oldest = RunningCancel.objects.earliest("created_at")
    RunningCancel.objects.filter(pk=oldest.pk).update(created_at=F("created_at") - WINDOW)
    assert cancel(running()).json()["credits_refunded"] is True
    assert cancel(running()).status_code == 409


def test_what_was_not_refunded_is_not_counted(running, cancel):
    used_up(running, cancel)
    cancel(running(), **AGREED)
    RunningCancel.objects.filter(refunded=True).update(created_at=F("created_at") - WINDOW)
    used_up(running, cancel)


@pytest.mark.parametrize("state", [None, AttemptState.QUEUED, AttemptState.PREPARED])
def test_what_has_not_begun_is_always_free(make_job, running, cancel, state):
    used_up(running, cancel)
    job = make_job()
    if state is not None:
        bring_to(job, state)
    assert cancel(job).json()["credits_refunded"] is True
    assert RunningCancel.objects.count() == LIMIT


@pytest.mark.parametrize("state", [AttemptState.DISPATCHING, AttemptState.REPORTED])
def test_what_may_have_run_has_begun(make_job, running, cancel, state):
    used_up(running, cancel)
    job = make_job()
    bring_to(job, state)
    assert cancel(job).status_code == 409


def test_none_is_free_where_the_limit_is_none(settings, running, cancel):
    settings.MAX_FREE_CANCELS = 0
    answer = cancel(running())
    assert (answer.status_code, answer.json()["next_free_at"]) == (409, None)


def test_another_users_cancels_are_their_own(running, cancel, make_user):
    used_up(running, cancel)
    RunningCancel.objects.update(user=make_user())
    assert cancel(running()).status_code == 200


def test_staffs_cancel_always_gives_back(running, cancel):
    used_up(running, cancel)
    assert lifecycle.cancel(job_id=running().pk, by="staff: a@b").credits_refunded is True
    assert RunningCancel.objects.count() == LIMIT


def test_deleting_the_project_is_no_way_around(user, running, cancel):
    used_up(running, cancel)
    project = Project.objects.create(user=user, name="Film")
    job = running()
    Job.objects.filter(pk=job.pk).update(project=project)
    assert list(end_jobs_of_project(project))
    job.refresh_from_db()
    assert (job.status, job.credits_refunded) == ("cancelled", False)
    assert ledger_audit.check().total == 0


@pytest.mark.parametrize("body", [{"without_refund": "perhaps"}, {"without_refund": None}, [1]])
def test_what_is_no_agreement_is_refused(api, running, body):
    job = running()
    assert api.post(f"/jobs/{job.pk}/cancel", body, format="json").status_code == 400
    job.refresh_from_db()
    assert job.status == "processing"


@pytest.mark.django_db(transaction=True)
def test_of_many_at_once_just_the_free_ones_come_back(user, running):
    jobs = [running() for _ in range(6)]
    refused: list[Job] = []

    def run(job: Job) -> None:
        try:
            lifecycle.cancel(job_id=job.pk, by="user", is_limited=True)
        except FreeCancelsUsedProblem:
            refused.append(job)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == len(jobs) - LIMIT
    assert Job.objects.filter(credits_refunded=True).count() == LIMIT
    assert ledger.get_balance(user_id=user.pk) == 100 - (len(jobs) - LIMIT)
    assert ledger_audit.check().total == 0


@pytest.fixture
def fail():
    """End a running job by an error of its call, as the orchestrator does."""

    def end(job, code):
        error = JobError.of(code)
        states = [AttemptState.RUNNING]
        assert lifecycle.fail(attempt_id=job.attempt_id, error=error, states=states)
        job.refresh_from_db()
        return job

    return end


def revoked(job):
    derived_media.cancel_jobs(job_ids=[job.pk])
    job.refresh_from_db()
    return job


class TestEndsOfEveryCause:
    """Begun work that ends without a result counts, whatever ended it."""

    @pytest.mark.parametrize("code", [ErrorCode.INPUT_INVALID, ErrorCode.MODEL_ERROR])
    def test_failures_after_the_work_has_begun_count_as_cancels_do(
        self, running, fail, cancel, code
    ):
        for _ in range(LIMIT):
            assert fail(running(), code).credits_refunded is True
        assert RunningCancel.objects.count() == LIMIT
        assert cancel(running()).status_code == 409

    def test_a_consent_revoked_again_and_again_keeps_the_price(self, user, running):
        jobs = [revoked(running()) for _ in range(LIMIT + 2)]
        assert [job.status for job in jobs] == ["cancelled"] * len(jobs)
        assert [job.credits_refunded for job in jobs] == [True] * LIMIT + [False] * 2
        assert "not refunded" in jobs[-1].error_message
        assert ledger.get_balance(user_id=user.pk) == 100 - 2
        assert ledger_audit.check().total == 0

    def test_a_consent_revoked_before_the_work_began_is_refunded(self, make_job, running, cancel):
        used_up(running, cancel)
        assert revoked(make_job()).credits_refunded is True

    def test_input_that_breaks_at_the_last_frame_keeps_the_price(self, user, running, fail):
        jobs = [fail(running(), ErrorCode.INPUT_INVALID) for _ in range(LIMIT + 1)]
        assert [job.credits_refunded for job in jobs] == [True] * LIMIT + [False]
        assert (jobs[-1].status, jobs[-1].error_code) == ("failed", "INPUT_INVALID")
        assert jobs[-1].error_message.startswith(POLICIES[ErrorCode.INPUT_INVALID].message)
        assert "not refunded" in jobs[-1].error_message
        assert ledger.get_balance(user_id=user.pk) == 100 - 1
        assert ledger_audit.check().total == 0

    @pytest.mark.parametrize("code", sorted(CAUSED_BY_US))
    def test_what_we_fail_at_never_counts_and_is_always_refunded(self, running, fail, cancel, code):
        used_up(running, cancel)
        assert fail(running(), code).credits_refunded is True
        assert RunningCancel.objects.count() == LIMIT

    def test_an_error_of_unknown_cause_is_refunded_beyond_the_limit(self, running, fail, cancel):
        used_up(running, cancel)
        assert fail(running(), ErrorCode.MODEL_ERROR).credits_refunded is True
        assert RunningCancel.objects.count() == LIMIT + 1

    def test_a_deadline_is_ours(self, running, cancel):
        used_up(running, cancel)
        job = running()
        assert lifecycle.expire(job_id=job.pk)
        job.refresh_from_db()
        assert job.credits_refunded is True
        assert RunningCancel.objects.count() == LIMIT

    def test_every_error_is_ours_the_users_or_of_unknown_cause(self):
        unknown = {ErrorCode.GPU_OOM, ErrorCode.GPU_TIMEOUT, ErrorCode.MODEL_ERROR}
        before_any_work = {ErrorCode.INSUFFICIENT_CREDITS}  # of a job that waited for its media
        assert set(ErrorCode) == CAUSED_BY_US | CAUSED_BY_USER | unknown | before_any_work
        assert not CAUSED_BY_US & CAUSED_BY_USER

    def test_staff_are_told_once_of_a_user_who_goes_on(
        self, running, fail, cancel, monkeypatch, caplog
    ):
        monkeypatch.setattr(cancels, "STAFF_ALERT", LIMIT + 2)
        used_up(running, cancel)
        alerts = []
        for _ in range(3):
            fail(running(), ErrorCode.MODEL_ERROR)
            alerts.append(sum("ended without a result" in text for text in caplog.messages))
        assert alerts == [0, 1, 1]
