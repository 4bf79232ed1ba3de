"""What two connections, a poisoned row or a worker back from the dead could do to jobs."""

import json
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import DatabaseError, connection, connections, transaction
from django.utils import timezone
from pydantic import ValidationError

from auteur.core.api.problems import Problem
from credits.models import Credits, CreditTransaction
from gpu_tasks.runtime.contract import Outcome
from gpu_tasks.runtime.errors import ErrorCode
from jobs import heartbeat, lifecycle, submission, tasks, workflow
from jobs.calls.backends.models import LocalCall, LocalCallState
from jobs.errors import JobError
from jobs.features.registry import get_feature
from jobs.models import Attempt, Job
from jobs.orchestrator import admission, calls, loop
from jobs.states import COLLECT, DISPATCH, PREPARE, AttemptState
from media.deletion import MediaInUseProblem, delete_media
from media.storage import object_storage
from tests.credits.books import stop_comparing_books
from tests.jobs.http.test_callbacks import body_of, send
from tests.jobs.walk import WORKER, bring_to
from tests.waiting import until

A_MOMENT = 0.5
"""Seconds for another connection to come to a lock."""
racing = pytest.mark.django_db(transaction=True)


class Elsewhere(threading.Thread):
    """Work on a connection of its own; ``outcome`` is what it returned or raised."""

    def __init__(self, work: Callable[[], Any]) -> None:
        super().__init__()
        self._work = work
        self.outcome: Any = None
        self.start()
        time.sleep(A_MOMENT)

    def run(self) -> None:
        try:
            self.outcome = self._work()
        except (Problem, DatabaseError) as exc:
            self.outcome = exc
        finally:
            connections.close_all()

    def awaited(self) -> Any:
        self.join()
        return self.outcome


# --- Two connections --------------------------------------------------------------------------


@racing
def test_a_cancel_that_waited_for_dispatch_stops_the_call_it_starts(make_job):
    job = make_job()
    attempt = bring_to(job, AttemptState.PREPARED)
    with transaction.atomic():
        lifecycle.claim(step=DISPATCH, attempt_ids=[attempt.pk], worker=WORKER)
        cancel = Elsewhere(lambda: lifecycle.cancel(job_id=job.pk, by="user"))
    assert cancel.awaited().status == "cancelled"
    assert lifecycle.record_started_calls(call_ids={attempt.pk: "late"}) == []
    attempt.refresh_from_db()
    assert (attempt.call_id, attempt.stop_requested_at is not None) == ("late", True)


@racing
def test_a_cancel_that_waited_for_collect_comes_too_late(make_job):
    job = make_job()
    attempt = bring_to(job, AttemptState.REPORTED)
    with transaction.atomic():
        lifecycle.claim(step=COLLECT, attempt_ids=[attempt.pk], worker=WORKER)
        cancel = Elsewhere(lambda: lifecycle.cancel(job_id=job.pk, by="user"))
    assert isinstance(cancel.awaited(), lifecycle.JobFinishedProblem)


@racing
def test_a_claim_waits_for_the_job_before_it_holds_the_attempt(make_job):
    job = make_job()
    attempt = bring_to(job, AttemptState.QUEUED)

    def claim():
        return lifecycle.claim(step=PREPARE, attempt_ids=[attempt.pk], worker=WORKER)

    with transaction.atomic():
        Job.objects.select_for_update(no_key=True).get(pk=job.pk)
        claiming = Elsewhere(claim)
        lifecycle.cancel(job_id=job.pk, by="user")  # would be a deadlock
    assert claiming.awaited() == []


@racing
def test_media_cannot_be_deleted_under_a_job_that_is_being_submitted(make_media, user):
    media = make_media()
    feature = get_feature("transcription")
    values = {"media_id": str(media.pk)}
    parameters = submission.validate(feature=feature, user_id=user.pk, data=values)
    with transaction.atomic():
        submission.submit(feature=feature, user_id=user.pk, plan=None, parameters=parameters)
        deletion = Elsewhere(lambda: delete_media(user_id=user.pk, media_id=media.pk))
    assert isinstance(deletion.awaited(), MediaInUseProblem)


# --- Workers back from the dead ---------------------------------------------------------------


@pytest.fixture
def taken_over(make_job):
    """An attempt that a stopped worker held, put back, and now held by another."""
    attempt = bring_to(make_job(), AttemptState.COLLECTING)
    lifecycle.requeue(step=COLLECT, attempt_ids=[attempt.pk], after=timedelta(0), crashed=True)
    lifecycle.claim(step=COLLECT, attempt_ids=[attempt.pk], worker="another")
    return attempt


def test_a_crash_of_the_old_holder_does_not_end_the_job(taken_over):
    tasks.collect.on_failure(ValueError("late"), "id", [[str(taken_over.pk)]], {}, None)
    taken_over.refresh_from_db()
    assert (taken_over.state, taken_over.job.status) == (AttemptState.COLLECTING, "processing")


def test_a_crash_of_the_holder_itself_does(make_job):
    attempt = bring_to(make_job(), AttemptState.COLLECTING)
    Attempt.objects.update(worker=heartbeat.current_worker())
    tasks.collect.on_failure(ValueError("now"), "id", [[str(attempt.pk)]], {}, None)
    assert Job.objects.get().status == "failed"


def test_what_the_old_holder_says_of_the_step_is_not_heard(taken_over):
    ids = [taken_over.pk]
    error = JobError.of(ErrorCode.MODEL_ERROR)
    lifecycle.requeue(
        step=COLLECT, attempt_ids=ids, after=timedelta(0), crashed=False, worker=WORKER
    )
    assert not lifecycle.mark_errored(
        attempt_id=ids[0], error=error, states=[COLLECT.holds], worker=WORKER
    )
    taken_over.refresh_from_db()
    assert (taken_over.state, taken_over.worker) == (AttemptState.COLLECTING, "another")


# --- Batches ----------------------------------------------------------------------------------


def store_transcript(attempt, text):
    key = f"users/x/jobs/{attempt.pk}.json"
    segment = {"speaker": "S", "start_ms": 0, "end_ms": 9, "text": text, "words": []}
    transcript = {"language": "en", "duration_ms": 9, "segments": [segment]}
    object_storage().write(key, json.dumps(transcript).encode(), "application/json")
    payload = {"transcript": {"write": {"key": key, "content_type": "application/json"}}}
    Attempt.objects.filter(pk=attempt.pk).update(payload=payload)


def test_a_result_that_cannot_be_stored_harms_no_neighbour(make_job):
    bad, good = (bring_to(make_job(), AttemptState.REPORTED) for _ in range(2))
    store_transcript(bad, "NUL: \0")
    store_transcript(good, "all is well")
    result = tasks.collect.apply(args=([str(bad.pk), str(good.pk)],))
    assert [*result.result.errors] == [bad.pk]
    bad.refresh_from_db()
    good.refresh_from_db()
    assert (bad.state, bad.error_code) == (AttemptState.FAILED, "MODEL_ERROR")
    assert good.state == AttemptState.COLLECTED


def test_what_a_slow_batch_does_not_come_to_waits_again_without_a_fault(make_job, monkeypatch):
    attempt = bring_to(make_job(), AttemptState.REPORTED)
    monkeypatch.setattr(workflow, "BATCH_SECONDS", -1.0)
    workflow.collect([attempt.pk])
    attempt.refresh_from_db()
    assert (attempt.state, attempt.crash_count) == (AttemptState.REPORTED, 0)
    assert Job.objects.filter(wake_at__lte=timezone.now()).exists()


# --- Reports and calls ------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["NUL: \0", float("nan"), float("inf"), ["\\\0"]])
def test_an_outcome_that_postgres_cannot_keep_is_refused(value):
    with pytest.raises(ValidationError):
        Outcome(result={"value": value})


@pytest.mark.parametrize("value", ["\\u0000", "\\\\u0000", 1e308, None])
def test_an_outcome_that_only_looks_so_is_taken(value):
    assert Outcome(result={"value": value}).result == {"value": value}


def test_a_callback_with_such_an_outcome_is_refused(make_job, settings):
    attempt = bring_to(make_job(), AttemptState.RUNNING)
    body = body_of(attempt, kind="outcome", outcome={"result": {"answer": "NUL: \0"}})
    assert send(settings, body, signer=attempt).status_code == 400


def test_a_callback_larger_than_we_read_is_refused(make_job, settings):
    attempt = bring_to(make_job(), AttemptState.RUNNING)
    too_much = "x" * settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    body = body_of(attempt, kind="outcome", outcome={"result": {"t": too_much}})
    response = send(settings, body, signer=attempt)
    assert response.status_code in (400, 413)
    assert Attempt.objects.get().state == AttemptState.RUNNING


def test_a_call_past_its_deadline_is_told_to_stop(make_job, settings):
    attempt = bring_to(make_job(), AttemptState.RUNNING)
    lifecycle.expire(job_id=attempt.job_id)
    assert send(settings, body_of(attempt), signer=attempt).status_code == 409


def test_a_calls_urls_live_as_long_as_its_job_may_run(make_job):
    attempt = bring_to(make_job(), AttemptState.PREPARED)
    workflow.prepare([attempt.pk])
    feature = get_feature("transcription")
    media = {"read": {"key": "users/x/a.wav", "name": "a.wav"}}
    transcript = {"write": {"key": "users/x/t.json", "content_type": "application/json"}}
    attempt.payload = {"media": media, "language": "en", "speaker_diarization": True}
    attempt.payload["transcript"] = transcript
    payload = workflow.signed_payload(attempt).model_dump()
    [expires] = parse_qs(urlsplit(payload["media"]["url"]).query)["expires"]
    assert int(expires) - time.time() > feature.run_limit.total_seconds() - 5


def local_call(attempt, **fields):
    values = {"function": "transcription", "engine": "draft", "queue": "gpu.cpu", "payload": {}}
    call = LocalCall.objects.create(attempt_id=attempt.pk, **(values | fields))
    Attempt.objects.filter(pk=attempt.pk).update(call_id=str(call.pk))
    attempt.refresh_from_db()
    return call


def test_a_poll_that_comes_late_does_not_lengthen_a_steps_lease(make_job):
    attempt = bring_to(make_job(), AttemptState.RUNNING)
    call_id = str(local_call(attempt).pk)
    seen = Attempt.objects.select_related("job").get(pk=attempt.pk)
    outcome = Outcome(result={})
    lifecycle.report_outcome(attempt_id=attempt.pk, call_id=call_id, outcome=outcome)
    [claimed] = lifecycle.claim(step=COLLECT, attempt_ids=[attempt.pk], worker=WORKER)
    claimed.refresh_from_db()
    calls.poll([seen])
    attempt.refresh_from_db()
    assert attempt.lease_expires_at == claimed.lease_expires_at


def test_an_unreadable_outcome_fails_its_own_job_alone(make_job):
    bad, good = (bring_to(make_job(), AttemptState.RUNNING) for _ in range(2))
    stored = Outcome(result={}).model_dump(mode="json")
    local_call(bad, state=LocalCallState.DONE, outcome={"of": "another version"})
    local_call(good, state=LocalCallState.DONE, outcome=stored)
    calls.poll([bad, good])
    bad.refresh_from_db()
    good.refresh_from_db()
    assert (bad.state, bad.error_code) == (AttemptState.ERRORED, "MODEL_ERROR")
    assert good.state == AttemptState.REPORTED


def test_a_call_that_cannot_be_stopped_hides_no_other_and_does_not_keep_us_busy(
    make_job, monkeypatch
):
    gone, here = (bring_to(make_job(), AttemptState.RUNNING) for _ in range(2))
    Attempt.objects.filter(pk=gone.pk).update(backend="no_longer_there")
    call = local_call(here)
    for attempt in (gone, here):
        lifecycle.cancel(job_id=attempt.job_id, by="user")
        Attempt.objects.filter(pk=attempt.pk).update(
            stop_requested_at=timezone.now() - timedelta(seconds=2 if attempt is gone else 1)
        )
    monkeypatch.setattr(calls, "STOPS_AT_ONCE", 1)
    assert [calls.stop_unwanted() for _ in range(3)] == [0, 1, 0]
    call.refresh_from_db()
    assert call.state == LocalCallState.CANCELLED


# --- Orchestrators ----------------------------------------------------------------------------


def test_a_job_of_a_feature_not_known_yet_waits_and_stops_nobody(make_job):
    unknown, expected = make_job(), make_job()
    Job.objects.filter(pk=unknown.pk).update(type="of_the_next_version")
    assert admission.admit_all() == 1
    expected.refresh_from_db()
    assert expected.attempt_id is not None


def test_a_call_on_a_backend_that_is_gone_stops_nobody(make_job):
    attempt = bring_to(make_job(), AttemptState.RUNNING)
    Attempt.objects.update(backend="no_longer_there")
    Job.objects.update(wake_at=timezone.now())
    assert calls.follow() == 1
    assert calls.follow() == 0
    assert Attempt.objects.get().state == attempt.state


def test_a_job_that_cannot_be_refunded_stops_no_sweep(make_job, make_user):
    bad, good = make_job(), make_job(make_user(balance=10))
    Job.objects.update(start_deadline_at=timezone.now())
    Job.objects.filter(pk=bad.pk).update(start_deadline_at=timezone.now() - timedelta(hours=1))
    stop_comparing_books()
    Credits.objects.filter(user=bad.user_id).update(balance=2**31 - 1)  # no room for more
    loop.sweep()
    bad.refresh_from_db()
    good.refresh_from_db()
    assert (bad.status, good.status) == ("pending", "failed")
    assert not CreditTransaction.objects.filter(job=bad, type="refund").exists()


@racing
def test_the_loop_survives_what_no_round_can_handle(make_job, monkeypatch):
    monkeypatch.setattr(loop, "OUTAGE_PAUSE_SECONDS", 0.05)
    job = make_job()
    rename_table("gpu_pools", "gpu_pools_away")  # as in the middle of a migration
    stop = threading.Event()
    try:
        orchestrator = Elsewhere(lambda: loop.run(stop))
        assert orchestrator.is_alive()
    finally:
        rename_table("gpu_pools_away", "gpu_pools")
    until(lambda: Job.objects.filter(pk=job.pk, attempt__isnull=False).exists())
    stop.set()
    assert orchestrator.awaited() is None


def rename_table(old: str, new: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {old} RENAME TO {new}")
