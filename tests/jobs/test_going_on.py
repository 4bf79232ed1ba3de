"""A worker goes on with the next step of a chain: what that saves, and what it must not lose."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User
from credits.models import CreditTransaction
from gpu_tasks.runtime.contract import EngineInfo, Outcome
from jobs import lifecycle, sql, submission, workflow
from jobs.features.registry import get_feature
from jobs.heartbeat import current_worker
from jobs.models import Attempt, Job
from jobs.orchestrator import due, loop
from jobs.states import DISPATCH, PREPARE, AttemptState
from tests.jobs.broker import Broker
from tests.jobs.walk import WORKER, admit, bring_to

LAZY = {"admit", "take_due", "claim", "report_progress"}  # claim: but that of dispatch
"""Statements whose commits are not waited for: after each, nothing is done that must not be done
twice."""
DONE = Outcome(result={}, engine=EngineInfo(name="draft", model="noop"))
MakeJob = Callable[..., Job]


@pytest.fixture
def broker() -> Iterator[Broker]:
    new_broker = Broker()
    new_broker.flush()
    yield new_broker
    new_broker.flush()


@pytest.fixture
def noop(user: User) -> MakeJob:
    """A pending job that does nothing, with these parameters."""

    def make(**data: Any) -> Job:
        feature = get_feature("noop")
        parameters = submission.validate(feature=feature, user_id=user.pk, data=data)
        submission_result = submission.submit(
            feature=feature, user_id=user.pk, plan=None, parameters=parameters
        )
        return Job.objects.get(pk=submission_result.job_id)

    return make


def report(attempt: Attempt) -> None:
    attempt.refresh_from_db()
    lifecycle.report_outcome(attempt_id=attempt.pk, call_id=attempt.call_id or "", outcome=DONE)


def asked(act: Callable[[], object]) -> list[str]:
    """The statements on jobs and attempts that it makes, by their first words."""
    with CaptureQueriesContext(connection) as captured:
        act()
    texts = [query["sql"] for query in captured]
    return [text for text in texts if "job_attempts" in text and "FROM local_calls" not in text]


def test_a_chain_takes_one_message_and_two_statements_for_a_step_and_one(
    noop: MakeJob, broker: Broker
) -> None:
    job = noop()
    current_worker()
    loop.wake()
    assert len(asked(lambda: broker.deliver(0))) == 3  # claimed, handed over, started
    assert broker.waiting() == []
    job.refresh_from_db()
    assert job.attempt is not None
    assert job.attempt.state == AttemptState.RUNNING
    report(job.attempt)
    loop.wake()
    assert len(asked(lambda: broker.deliver(0))) == 2  # claimed, completed
    assert broker.waiting() == []
    job.refresh_from_db()
    assert (job.status, job.progress, job.wake_at) == ("completed", 1.0, None)
    job.attempt.refresh_from_db()
    assert job.output_data
    assert job.attempt.result is None  # it is the job's now
    assert job.attempt.finished_at is not None


def test_who_does_not_go_on_leaves_it_to_the_next_message(noop: MakeJob, broker: Broker) -> None:
    job = noop()
    loop.wake()
    broker.deliver(0, goes_on=False)
    job.refresh_from_db()
    assert job.attempt is not None
    assert job.attempt.state == AttemptState.PREPARED
    broker.deliver(0)
    job.attempt.refresh_from_db()
    assert job.attempt.state == AttemptState.RUNNING


@pytest.mark.parametrize("delivered", [False, True])
def test_what_was_worth_less_is_refunded_however_it_ends(
    noop: MakeJob, broker: Broker, delivered: bool
) -> None:
    job = noop(price=5, used=2, delivered=delivered)
    loop.wake()
    broker.deliver(0)
    report(Attempt.objects.get())
    loop.wake()
    broker.deliver(0)
    job.refresh_from_db()
    assert (job.status, job.credits_refunded) == ("completed", True)
    amounts = CreditTransaction.objects.filter(job=job).order_by("seq").values_list("amount")
    assert [amount for (amount,) in amounts] == [-5, 3]


def test_who_was_robbed_of_an_attempt_starts_no_call(make_job: MakeJob) -> None:
    lost, remaining = make_job(), make_job()
    ids = [admit(lost).pk, admit(remaining).pk]
    attempts = lifecycle.claim(step=PREPARE, attempt_ids=ids, worker=WORKER)
    lifecycle.requeue_job(job_id=lost.pk, by="staff")
    values = {attempt.pk: {"payload": {"a": (1, 2)}} for attempt in attempts}
    handed = lifecycle.hand_over(
        step=PREPARE, to=DISPATCH, worker=WORKER, attempts=attempts, values=values
    )
    assert [attempt.job_id for attempt in handed] == [remaining.pk]
    [attempt] = handed
    stored = Attempt.objects.get(pk=attempt.pk)
    assert (stored.state, stored.worker) == (AttemptState.DISPATCHING, WORKER)
    assert attempt.payload == stored.payload == {"a": [1, 2]}
    assert not lifecycle.hand_over(
        step=PREPARE, to=DISPATCH, worker="another", attempts=attempts, values=values
    )


def test_a_value_that_cannot_be_stored_holds_up_no_neighbour(
    make_job: MakeJob, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = make_job(), make_job()
    loop.wake()
    bad.refresh_from_db()
    good.refresh_from_db()
    ids = [bad.attempt_id, good.attempt_id]
    prepare = workflow._prepare_attempt

    def spoilt(attempt: Attempt) -> dict[str, Any]:
        created = prepare(attempt)
        return {"payload": {"text": "\0"}} if attempt.pk == ids[0] else created

    monkeypatch.setattr(workflow, "_prepare_attempt", spoilt)
    broker.deliver(0)
    states = dict(Attempt.objects.values_list("pk", "state"))
    assert states == {ids[0]: AttemptState.FAILED, ids[1]: AttemptState.RUNNING}
    bad.refresh_from_db()
    assert (bad.status, bad.error_code, bad.credits_refunded) == ("failed", "MODEL_ERROR", True)


def test_a_claim_brings_the_rows_as_they_are(make_job: MakeJob) -> None:
    attempt = admit(make_job())
    [claimed_attempt] = lifecycle.claim(step=PREPARE, attempt_ids=[attempt.pk], worker=WORKER)
    stored = Attempt.objects.select_related("job").get(pk=attempt.pk)
    remaining = {"claimed_at", "lease_expires_at"}
    for mine, its in ((claimed_attempt, stored), (claimed_attempt.job, stored.job)):
        fields = (
            {f.attname for f in mine._meta.concrete_fields} - remaining - {"wake_at", "started_at"}
        )
        assert {name: getattr(mine, name) for name in fields} == {
            name: getattr(its, name) for name in fields
        }


def test_what_is_admitted_with_room_is_taken_at_once(make_job: MakeJob, broker: Broker) -> None:
    make_job()
    began = timezone.now()
    loop.wake()
    assert len(broker.waiting()) == 1
    attempt = Attempt.objects.select_related("job").get()
    assert attempt.publish_count == 1
    assert attempt.job.wake_at is not None
    assert began < attempt.job.wake_at - due.AGAIN_AFTER <= timezone.now()


def test_only_what_may_be_undone_is_not_waited_for() -> None:
    lazy = {name for name, text in sql.STATEMENTS.items() if "synchronous_commit" in text}
    stricter = {"number_events"}  # it waits for a synchronous standby
    assert lazy - {"lazily", "lazily_if_repeatable"} - stricter == LAZY


@pytest.mark.django_db(transaction=True)
def test_not_waiting_ends_with_the_statements_own_transaction(make_job: MakeJob) -> None:
    first, second = admit(make_job()), admit(make_job())
    third = bring_to(make_job(), AttemptState.PREPARED)

    def shown() -> str:
        with connection.cursor() as cursor:
            cursor.execute("SHOW synchronous_commit")
            return str(cursor.fetchone()[0])

    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit = on")
    assert lifecycle.claim(step=PREPARE, attempt_ids=[first.pk], worker=WORKER)
    assert shown() == "on"
    with transaction.atomic():
        assert lifecycle.claim(step=DISPATCH, attempt_ids=[third.pk], worker=WORKER)
        assert shown() == "on"  # calls are started next
        assert lifecycle.claim(step=PREPARE, attempt_ids=[second.pk], worker=WORKER)
        assert shown() == "off"
    connection.close()


def test_what_lay_with_the_dead_is_looked_at_at_once(make_job: MakeJob) -> None:
    theirs, sent, other_items, quiet = (make_job() for _ in range(4))
    dead = bring_to(theirs, AttemptState.PREPARING)
    Attempt.objects.filter(pk=dead.pk).update(worker="dead")
    bring_to(other_items, AttemptState.COLLECTING)
    bring_to(sent, AttemptState.REPORTED)
    bring_to(quiet, AttemptState.REPORTED)
    Attempt.objects.filter(job=sent).update(publish_count=1)
    Job.objects.update(wake_at=timezone.now() + timedelta(seconds=9))
    assert lifecycle.wake_jobs_of_dead_workers(["dead"]) == 2
    woken = Job.objects.filter(wake_at__lte=timezone.now()).values_list("pk", flat=True)
    assert set(woken) == {theirs.pk, sent.pk}


def test_rounds_follow_at_once_after_a_pause_and_then_keep_their_distance() -> None:
    pace = loop._Pace()
    waits = [pace.wait_seconds() for _ in range(loop.ROUNDS_AT_ONCE + 2)]
    assert waits[: loop.ROUNDS_AT_ONCE] == [0.0] * loop.ROUNDS_AT_ONCE
    assert loop.ROUND_SECONDS / 2 < waits[-2] <= loop.ROUND_SECONDS < waits[-1]
