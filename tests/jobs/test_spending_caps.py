"""Caps of API keys: held by the submission itself, however many ask at once; refunds come back."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.db import DatabaseError, connection, connections
from django.db.models import F
from django.test.utils import CaptureQueriesContext

from auteur.core.api.models import IdempotencyKey
from auteur.core.api.problems import Problem
from auteur.core.api.scopes import Scope
from credits import ledger, spending
from credits.models import CreditTransaction, KeySpending
from jobs import lifecycle, submission
from jobs.audit import ledger_audit
from jobs.budget import Budget
from jobs.features.registry import get_feature
from jobs.models import Attempt, Job
from jobs.states import AttemptState
from tests.conftest import by_key
from tests.jobs.walk import WORKER, bring_to

AT_ONCE = 50
NOOP = "/jobs/noop"


def post(program, price, key=None, **given):
    headers = {} if key is None else {"Idempotency-Key": key}
    return program.post(NOOP, {"price": price, **given}, format="json", headers=headers)


def counted(key):
    row = KeySpending.objects.get(pk=key.row.pk)
    return row.spent_today, row.spent


def yesterday():
    KeySpending.objects.update(day=F("day") - timedelta(days=1))


@pytest.mark.parametrize("cap", ["credits_per_day", "credits_in_all"])
def test_the_cap_and_one_past_it(user, make_key, cap):
    key = make_key(Scope.JOBS, caps={cap: 5})
    program = by_key(key)
    assert post(program, 2).status_code == 202
    refused = post(program, 4)
    body = refused.json()
    assert (refused.status_code, body["code"]) == (403, "spending_cap_reached")
    numbers = {"required": 4, "credits_spent_today": 2, "credits_spent": 2, cap: 5}
    assert {name: body[name] for name in numbers} == numbers
    assert body["day_ends_at"].endswith("T00:00:00Z")
    name = "daily cap" if cap == "credits_per_day" else "total cap"
    expected = f"This costs 4 credits, but the API key has 3 left of its {name} of 5."
    assert body["detail"] == expected
    assert ledger.get_balance(user_id=user.pk) == 98
    assert post(program, 3).status_code == 202
    assert post(program, 1).status_code == 403
    assert post(program, 0).status_code == 202
    assert counted(key) == (5, 5)
    assert set(Job.objects.values_list("api_key_id", flat=True)) == {key.row.pk}
    assert Job.objects.count() == CreditTransaction.objects.filter(type="usage").count() + 1


def test_nobody_else_is_held_by_a_cap(api, make_key):
    capped, free = make_key(Scope.JOBS, caps={"credits_in_all": 0}), make_key(Scope.JOBS)
    assert post(by_key(capped), 1).status_code == 403
    assert post(by_key(free), 1).status_code == 202
    assert post(api, 1).status_code == 202
    assert (counted(capped), counted(free)) == ((0, 0), (1, 1))
    assert Job.objects.filter(api_key_id=None).count() == 1


def test_a_balance_that_does_not_cover_it_is_told_as_such(make_key):
    key = make_key(Scope.JOBS, caps={"credits_in_all": 1000})
    refused = post(by_key(key), 101)
    assert (refused.status_code, refused.json()["code"]) == (402, "insufficient_credits")
    assert counted(key) == (0, 0)


def test_a_refusal_keeps_no_idempotency_key(api, make_key):
    key = make_key(Scope.JOBS, caps={"credits_in_all": 1})
    program = by_key(key)
    assert post(program, 2, "once").status_code == 403
    assert not IdempotencyKey.objects.exists()
    api.patch(f"/api-keys/{key.row.pk}", {"credits_in_all": 2}, format="json")
    answers = [post(program, 2, "once") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [202, 202]
    assert counted(key) == (2, 2)


def test_a_batch_is_all_or_nothing(user, make_key):
    key = make_key(Scope.JOBS, caps={"credits_in_all": 5})
    program = by_key(key)

    def batch(*prices):
        jobs = [{"type": "noop", "price": price} for price in prices]
        return program.post("/jobs/batch", {"jobs": jobs}, format="json")

    refused = batch(2, 2, 2)
    assert (refused.json()["code"], refused.json()["required"]) == ("spending_cap_reached", 6)
    assert not Job.objects.exists()
    assert batch(2, 0, 3).status_code == 202
    assert counted(key) == (5, 5)


def told(program, **query):
    return program.get("/credits", query).json()["key"]


@pytest.mark.parametrize(
    ("caps", "left"),
    [
        ({}, 98),
        ({"credits_per_day": 5}, 3),
        ({"credits_in_all": 5}, 3),
        ({"credits_per_day": 5, "credits_in_all": 5}, 3),
        ({"credits_per_day": 4, "credits_in_all": 5}, 2),
        ({"credits_per_day": 5, "credits_in_all": 4}, 2),
        ({"credits_per_day": 2}, 0),
        ({"credits_per_day": 100, "credits_in_all": 99}, 97),
        ({"credits_per_day": 101, "credits_in_all": 100}, 98),
    ],
)
def test_a_key_is_told_its_caps_and_just_what_it_may_spend(api, make_key, caps, left):
    program = by_key(make_key(Scope.JOBS, Scope.READ, caps=caps))
    assert post(program, 2).status_code == 202
    key = told(program)
    tomorrow = datetime.now(UTC).date() + timedelta(days=1)
    assert key == {
        "credits_per_day": None,
        "credits_spent_today": 2,
        "day_ends_at": f"{tomorrow}T00:00:00Z",
        "credits_in_all": None,
        "credits_spent": 2,
        "available": left,
        **caps,
    }
    assert (told(api), told(program, at="2020-01-01T00:00:00Z")) == (None, None)
    assert post(program, left + 1).status_code in {402, 403}
    assert post(program, left).status_code == 202
    assert told(program)["available"] == 0


def test_a_key_above_a_lowered_cap_may_spend_nothing_and_again_tomorrow(api, make_key):
    key = make_key(Scope.JOBS, Scope.READ, caps={"credits_per_day": 5})
    program = by_key(key)
    assert post(program, 3).status_code == 202
    api.patch(f"/api-keys/{key.row.pk}", {"credits_per_day": 2}, format="json")
    assert told(program)["available"] == 0
    yesterday()
    assert (told(program)["available"], told(program)["credits_spent"]) == (2, 3)


def test_what_a_key_is_told_costs_one_statement(api, make_key):
    key = make_key(Scope.READ)
    by_key(key).get("/credits")
    with CaptureQueriesContext(connection) as of_person:
        api.get("/credits")
    with CaptureQueriesContext(connection) as of_key:
        by_key(key).get("/credits")
    assert len(of_key) == len(of_person) + 1


def test_a_day_begins_anew_and_the_whole_does_not(make_key):
    key = make_key(Scope.JOBS, caps={"credits_per_day": 2, "credits_in_all": 3})
    program = by_key(key)
    assert [post(program, 2).status_code, post(program, 1).status_code] == [202, 403]
    yesterday()
    refused = post(program, 2).json()
    assert (refused["credits_spent_today"], refused["credits_spent"]) == (0, 2)
    assert post(program, 1).status_code == 202
    assert counted(key) == (1, 3)


def test_a_clock_that_is_behind_does_not_begin_an_earlier_day(make_key):
    key = make_key(Scope.JOBS, caps={"credits_per_day": 2})
    assert post(by_key(key), 2).status_code == 202
    KeySpending.objects.update(day=F("day") + timedelta(days=1))
    assert post(by_key(key), 1).status_code == 403


def test_what_is_refunded_may_be_spent_again(make_key):
    key = make_key(Scope.JOBS, caps={"credits_per_day": 3, "credits_in_all": 3})
    program = by_key(key)
    job_id = post(program, 3).json()["job_id"]
    assert post(program, 1).status_code == 403
    assert program.post(f"/jobs/{job_id}/cancel", {}, format="json").status_code == 200
    assert counted(key) == (0, 0)
    assert post(program, 3).status_code == 202


def test_of_an_earlier_day_it_comes_back_in_all_alone(make_key):
    key = make_key(Scope.JOBS, caps={"credits_per_day": 3, "credits_in_all": 6})
    program = by_key(key)
    earlier = post(program, 3).json()["job_id"]
    Job.objects.update(created_at=F("created_at") - timedelta(days=1))
    yesterday()
    assert post(program, 3).status_code == 202
    lifecycle.cancel(job_id=earlier, by="user")
    assert counted(key) == (3, 3)
    assert post(program, 1).status_code == 403


def test_a_partial_refund_comes_back_in_part(make_key):
    key = make_key(Scope.JOBS)
    job = Job.objects.get(pk=post(by_key(key), 5).json()["job_id"])
    attempt = bring_to(job, AttemptState.FINALIZING)
    Attempt.objects.update(used_credits=2)
    lifecycle.complete(attempt_ids=[attempt.pk], worker=WORKER)
    assert counted(key) == (2, 2)
    assert ledger_audit.check().total == 0


def test_running_again_is_spent_by_who_asks(api, make_key):
    key, other = (make_key(Scope.JOBS, caps={"credits_in_all": 2}) for _ in range(2))
    job_id = post(by_key(key), 2).json()["job_id"]
    lifecycle.cancel(job_id=job_id, by="user")
    assert by_key(other).post(f"/jobs/{job_id}/retry").status_code == 202
    assert (counted(key), counted(other)) == ((0, 0), (2, 2))
    assert by_key(other).post(f"/jobs/{job_id}/retry").status_code == 403
    assert api.post(f"/jobs/{job_id}/retry").status_code == 202


def test_a_cap_below_what_is_spent_stops_the_key(api, make_key):
    key = make_key(Scope.JOBS, caps={"credits_per_day": 9})
    assert post(by_key(key), 5).status_code == 202
    api.patch(f"/api-keys/{key.row.pk}", {"credits_per_day": 3}, format="json")
    assert post(by_key(key), 1).status_code == 403


def test_work_before_the_charge_asks_for_the_cap_first(user, make_key):
    key = make_key(Scope.JOBS, caps={"credits_per_day": 3})
    budget = Budget(user.pk, api_key_id=key.row.pk)
    budget.need(3)
    with pytest.raises(spending.SpendingCapReachedProblem):
        budget.need(4)
    assert counted(key) == (0, 0)


def test_giving_back_needs_a_transaction(transactional_db, make_key):
    key = make_key()
    with pytest.raises(RuntimeError, match="transaction"):
        spending.refund_spending(api_key_id=key.row.pk, amount=1, charged_at=key.row.created_at)


@pytest.mark.django_db(transaction=True)
def test_fifty_connections_spend_no_more_than_one_cap(make_user, make_key):
    user = make_user(balance=1000)
    key = make_key(Scope.JOBS, owner=user, caps={"credits_per_day": 20, "credits_in_all": 30})
    gate, output = threading.Barrier(AT_ONCE), []

    def run(number):
        connection.ensure_connection()
        gate.wait()
        answer = post(by_key(key), 3, f"key-{number}")
        output.append((answer.status_code, answer.json().get("code")))
        connections.close_all()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(AT_ONCE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    refused = (403, "spending_cap_reached")
    assert sorted(output, key=str) == [(202, None)] * 6 + [refused] * (AT_ONCE - 6)
    assert counted(key) == (18, 18)
    assert Job.objects.count() == IdempotencyKey.objects.count() == 6
    assert ledger.get_balance(user_id=user.pk) == 1000 - 18
    assert ledger_audit.verify_ledger().total == 0


@pytest.mark.django_db(transaction=True)
def test_refunds_and_submissions_at_once_neither_deadlock_nor_lose_count(make_user, make_key):
    user = make_user(balance=1000)
    created = [make_key(Scope.JOBS, owner=user) for _ in range(2)]
    feature = get_feature("noop")
    failed = []

    def run(number):
        try:
            for turn in range(6):
                key = created[(number + turn) % 2]
                parameters = submission.validate(
                    feature=feature, user_id=user.pk, data={"price": 2}
                )
                job_id = submission.submit(
                    feature=feature,
                    user_id=user.pk,
                    plan=None,
                    parameters=parameters,
                    api_key_id=key.row.pk,
                ).job_id
                if turn % 2:
                    lifecycle.cancel(job_id=job_id, by="user")
        except (DatabaseError, Problem) as exc:
            failed.append(exc)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    total = sum(counted(key)[1] for key in created)
    assert total == 6 * 3 * 2 == 1000 - ledger.get_balance(user_id=user.pk)
