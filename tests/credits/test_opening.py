"""Accounts from before grants: what they had becomes one, by migration or as they move."""

import importlib
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from django.db import connection

from accounts.models import User
from credits import ledger
from credits.models import CreditGrant, Credits
from jobs import lifecycle
from jobs.audit import ledger_audit
from jobs.models import Job

pytestmark = pytest.mark.django_db

opening_grants = importlib.import_module("credits.migrations.0004_opening_grants")

# As the release before wrote them.
ADD = """
WITH account AS (
    UPDATE credits SET balance = balance + %(amount)s, seq = seq + 1, updated_at = now()
    WHERE user_id = %(user_id)s RETURNING user_id, balance, seq
)
INSERT INTO credit_transactions (user_id, seq, amount, balance_after, type, description, job_id)
SELECT user_id, seq, %(amount)s, balance, %(type)s, '', %(job_id)s::uuid FROM account"""
BEFORE = (
    "SET LOCAL session_replication_role = replica",
    "ALTER TABLE credits DROP CONSTRAINT credits_balance_is_of_grants",
    "UPDATE credits SET grant_ids = '{}', grant_remaining = '{}', grant_priorities = '{}',"
    " grant_expires_at = '{}', latest_parts = NULL",
    "UPDATE credit_transactions SET parts = NULL",
    "DELETE FROM credit_grants",
    "SET LOCAL session_replication_role = origin",
    "ALTER TABLE credits ADD CONSTRAINT credits_balance_is_of_grants"
    " CHECK (credits_is_of_grants(balance, grant_ids, grant_remaining, grant_priorities,"
    " grant_expires_at)) NOT VALID",
)


def run(statement: str, **values: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values or None)


def add(user: User, amount: int, type: str = "bonus", job_id: UUID | None = None) -> None:
    run(ADD, user_id=user.pk, amount=amount, type=type, job_id=job_id)


def migrate() -> None:
    opening_grants.open_grants(None, SimpleNamespace(connection=connection))
    run("SET CONSTRAINTS ALL IMMEDIATE")  # a table with deferred checks cannot be altered
    run(opening_grants.VALIDATE)


def remaining(user: User) -> list[int]:
    return list(Credits.objects.get(user=user).grant_remaining)


@pytest.fixture
def job(user: User, make_job: Callable[..., Job]) -> Job:
    """Of 5 credits, by a user who has 95 left, from before grants."""
    job = make_job(minutes=10)
    run("SET CONSTRAINTS ALL IMMEDIATE")
    for statement in BEFORE:
        run(statement)
    assert ledger_audit.check().broken["open_grants_make_the_balance"] == 1
    return job


@pytest.fixture(autouse=True)
def books_are_right(job: Job) -> Any:
    yield
    assert ledger_audit.check().findings == ()


@pytest.mark.parametrize("at_once", [1, 2, 500])
def test_each_balance_becomes_a_grant_that_never_expires(
    user: User,
    make_user: Callable[..., User],
    monkeypatch: pytest.MonkeyPatch,
    at_once: int,
) -> None:
    monkeypatch.setattr(opening_grants, "AT_ONCE", at_once)
    empty, new = make_user(), make_user(balance=3)
    migrate()
    migrate()
    assert [remaining(item) for item in (user, empty, new)] == [[95], [], [3]]
    grant = CreditGrant.objects.get(user=user)
    assert (grant.kind, grant.amount, grant.expires_at) == ("adjustment", 95, None)


def test_code_of_the_release_before_goes_on(user: User, job: Job) -> None:
    add(user, 7)
    assert remaining(user) == [102]
    add(user, 8)
    add(user, -10, "usage", _another(job).pk)
    assert remaining(user) == [92, 8]
    migrate()
    assert ledger.get_balance(user_id=user.pk) == 100


def test_a_job_from_before_returns_what_it_took_for_good(user: User, job: Job) -> None:
    lifecycle.cancel(job_id=job.pk, by="user")
    assert sorted(remaining(user)) == [5, 95]
    assert not CreditGrant.objects.filter(expires_at__isnull=False).exists()


def test_a_job_from_after_returns_it_to_its_grant(user: User, make_job: Callable[..., Job]) -> None:
    job = make_job(minutes=10)
    assert remaining(user) == [90]
    lifecycle.cancel(job_id=job.pk, by="user")
    assert remaining(user) == [95]


def _another(job: Job) -> Job:
    """A job that costs 10 and is to be charged."""
    return Job.objects.create(
        user=job.user,
        type=job.type,
        gpu_class=job.gpu_class,
        credits_cost=10,
        wake_at=job.wake_at,
        start_deadline_at=job.start_deadline_at,
    )
