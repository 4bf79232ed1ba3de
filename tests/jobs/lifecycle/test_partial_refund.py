"""A job that delivered less than was paid for keeps what was used and gives back the rest, once."""

import threading

import pytest
from django.db import IntegrityError, connections, transaction

from credits import ledger
from credits.models import CreditTransaction
from jobs import heartbeat, lifecycle, submission, workflow
from jobs.features.registry import get_feature
from jobs.models import Attempt, Job
from jobs.states import AttemptState, JobStatus
from tests.jobs.walk import WORKER, bring_to


@pytest.fixture
def make_noop(user):
    """A pending job that does nothing, at a price."""

    def make(owner=user, **parameters):
        feature = get_feature("noop")
        valid_parameters = submission.validate(feature=feature, user_id=owner.pk, data=parameters)
        submission_result = submission.submit(
            feature=feature, user_id=owner.pk, plan=None, parameters=valid_parameters
        )
        return Job.objects.get(pk=submission_result.job_id)

    return make


def finalizing(job, used):
    """The job's attempt, held for `finalize`, with what `collect` found out."""
    attempt = bring_to(job, AttemptState.FINALIZING)
    Attempt.objects.filter(pk=attempt.pk).update(used_credits=used)
    return attempt


def complete(*attempts):
    return lifecycle.complete(attempt_ids=[a.pk for a in attempts], worker=WORKER)


def ledger_of(job):
    rows = CreditTransaction.objects.filter(job=job).order_by("seq")
    return [(row.type, row.amount) for row in rows]


@pytest.mark.parametrize(
    ("used", "refund"),
    [(None, 0), (16, 0), (15, 1), (8, 8), (1, 15), (0, 15), (-3, 15), (17, 0)],
)
def test_the_rest_comes_back(user, make_noop, used, refund):
    job = make_noop(price=16)
    complete(finalizing(job, used))
    job.refresh_from_db()
    assert (job.status, job.credits_refunded) == (JobStatus.COMPLETED, refund > 0)
    assert ledger_of(job) == [("usage", -16), *([("refund", refund)] if refund else [])]
    assert ledger.get_balance(user_id=user.pk) == 84 + refund


def test_a_free_job_gives_nothing_back(make_noop):
    job = make_noop(price=0)
    complete(finalizing(job, 0))
    assert ledger_of(job) == []


def test_it_comes_back_once(user, make_noop):
    job = make_noop(price=16)
    attempt = finalizing(job, 8)
    assert [complete(attempt), complete(attempt)] == [[attempt.pk], []]
    assert ledger_of(job) == [("usage", -16), ("refund", 8)]


def test_who_no_longer_holds_the_attempt_gives_nothing_back(make_noop):
    job = make_noop(price=16)
    attempt = finalizing(job, 8)
    assert lifecycle.complete(attempt_ids=[attempt.pk], worker="another") == []
    assert ledger_of(job) == [("usage", -16)]


def test_the_ledger_says_what_was_used(make_noop):
    job = make_noop(price=16)
    complete(finalizing(job, 8))
    refund = CreditTransaction.objects.get(job=job, type="refund")
    assert refund.description == "Refunded, noop completed: 8 of 16 credits were not used."


def test_the_feature_says_what_was_used(user, make_noop):
    """Through the steps that workers run."""
    job, neighbour = make_noop(price=16, used=12), make_noop(price=5)
    attempts = [bring_to(item, AttemptState.REPORTED) for item in (job, neighbour)]
    ids = [attempt.pk for attempt in attempts]
    Attempt.objects.filter(pk__in=ids).update(
        outcome={"result": {}, "engine": {"name": "draft", "model": "noop"}}
    )
    workflow.collect(ids)
    workflow.finalize(ids)
    heartbeat.stop_heartbeat()
    assert ledger_of(job) == [("usage", -16), ("refund", 4)]
    assert ledger_of(neighbour) == [("usage", -5)]
    assert ledger.get_balance(user_id=user.pk) == 100 - 12 - 5


def test_a_client_sees_it(api, make_noop):
    job = make_noop(price=16)
    complete(finalizing(job, 4))
    body = api.get(f"/jobs/{job.pk}").json()
    assert (body["status"], body["credits_cost"], body["credits_refunded"]) == (
        "completed",
        16,
        True,
    )


@pytest.mark.parametrize("status", ["pending", "processing"])
def test_an_open_job_is_never_refunded(make_noop, status):
    job = make_noop()
    with pytest.raises(IntegrityError, match="refunded_were_charged"), transaction.atomic():
        Job.objects.filter(pk=job.pk).update(status=status, credits_refunded=True)


@pytest.mark.django_db(transaction=True)
def test_two_workers_with_jobs_of_the_same_people(make_user, make_noop):
    """Each locks the accounts in one order, whatever the order of its jobs."""
    people = [make_user(balance=1000) for _ in range(4)]
    for _ in range(5):
        batches = [
            [finalizing(make_noop(owner, price=10), 4) for owner in order]
            for order in (people, people[::-1], people[2:] + people[:2])
        ]
        barrier = threading.Barrier(len(batches))
        done: list[int] = []

        def work(batch, barrier=barrier, done=done):
            barrier.wait()
            try:
                done.append(len(complete(*batch)))
            finally:
                connections.close_all()

        threads = [threading.Thread(target=work, args=(batch,)) for batch in batches]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert done == [4, 4, 4]
    for person in people:
        assert ledger.get_balance(user_id=person.pk) == 1000 - 15 * 4
