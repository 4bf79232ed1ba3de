"""The audit sees each wrong that it looks for: rows are spoilt behind the back of the triggers."""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from django.db import connection

from accounts.models import User
from gpu_tasks.runtime.errors import ErrorCode
from jobs import lifecycle
from jobs.errors import JobError
from jobs.models import Attempt, Job
from jobs.states import AttemptState
from tests.chaos.audit import BOOKS, UNFINISHED, Watch, violations
from tests.jobs.walk import bring_to, number_all

pytestmark = pytest.mark.django_db

IN_STORE = (
    "INSERT INTO local_calls (id, attempt_id, function, engine, queue, payload, state, worker) "
    "SELECT gen_random_uuid(), id, 'f', 'draft', 'q', '{}', 'running', 'w' FROM job_attempts "
)
SPOILT = [
    ("balance is not the sum of the rows", "UPDATE credits SET balance = balance + 1"),
    ("balance is not what is left of the grants", "UPDATE credits SET balance = balance + 1"),
    ("a grant is not what its rows left of it", "UPDATE credits SET grant_remaining[1] = 1"),
    ("a grant is not what its rows left of it", "UPDATE credit_transactions SET parts = '[]'"),
    ("balance_after does not chain", "UPDATE credit_transactions SET seq = seq + 100"),
    (
        "balance_after does not chain",
        "UPDATE credit_transactions SET balance_after = balance_after + 1 WHERE seq = 2",
    ),
    ("not one usage of the price", "UPDATE jobs SET credits_cost = credits_cost + 1"),
    ("not one usage of the price", "DELETE FROM credit_transactions WHERE type = 'usage'"),
    (
        "refund is not the price of what failed or was cancelled",
        "DELETE FROM credit_transactions WHERE type = 'refund'",
    ),
    (
        "refund is not the price of what failed or was cancelled",
        "UPDATE jobs SET status = 'failed', error_code = '', error_message = ''"
        " WHERE status = 'completed'",
    ),
    (
        "refund flag is not what the ledger says",
        "UPDATE jobs SET credits_refunded = false WHERE status = 'failed'",
    ),
    (
        "did not end once in its events",
        "DELETE FROM user_events WHERE type = 'job.completed'",
    ),
    (
        "did not end once in its events",
        "UPDATE user_events SET type = 'job.completed' WHERE type = 'job.started'",
    ),
    ("events are not numbered 1, 2, 3", "DELETE FROM user_events WHERE seq = 2"),
    (
        "event waits for its number",
        "INSERT INTO job_events (job_id, user_id, type, data) "
        "SELECT id, user_id, status, '{}' FROM jobs WHERE status = 'completed'",
    ),
    ("attempt of an ended job is open", "UPDATE job_attempts SET state = 'queued'"),
    (
        "call was not stopped",
        "UPDATE job_attempts SET stop_requested_at = now(), call_id = 'c', stopped_at = NULL",
    ),
    ("call is still waiting or running", f"{IN_STORE} WHERE call_id IS NOT NULL"),
]


@pytest.fixture
def ended(make_job: Callable[..., Job]) -> None:
    """One job for each way to end."""
    done, broken, unwanted = make_job(), make_job(), make_job()
    bring_to(done, AttemptState.COMPLETED)
    attempt = bring_to(broken, AttemptState.RUNNING)
    error = JobError.of(ErrorCode.GPU_OOM)
    lifecycle.mark_errored(attempt_id=attempt.pk, error=error, states=[AttemptState.RUNNING])
    lifecycle.fail(attempt_id=attempt.pk, error=error)
    lifecycle.cancel(job_id=unwanted.pk, by="user")
    Attempt.objects.filter(stop_requested_at__isnull=False).update(stopped_at="2026-01-01T00:00Z")
    number_all()


def database() -> Any:
    connection.ensure_connection()
    assert isinstance(connection.connection, psycopg.Connection)
    return connection.connection


def spoil(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute("ALTER TABLE credits DROP CONSTRAINT credits_balance_is_of_grants")
        cursor.execute(statement)
        assert cursor.rowcount > 0


def found(user: User) -> set[str]:
    return set(violations(database(), str(user.pk), BOOKS | UNFINISHED))


@pytest.mark.usefixtures("ended")
def test_a_house_in_order_has_no_violations(user: User) -> None:
    assert not found(user)


@pytest.mark.usefixtures("ended")
@pytest.mark.parametrize(("rule", "statement"), SPOILT)
def test_each_wrong_is_seen(user: User, rule: str, statement: str) -> None:
    spoil(statement)
    assert rule in found(user)


def test_an_open_job_is_seen(user: User, make_job: Callable[..., Job]) -> None:
    make_job()
    number_all()
    assert found(user) == {"due, and nobody looks"}


@pytest.mark.usefixtures("ended")
def test_an_end_that_changes_is_seen(user: User) -> None:
    watch = Watch(database, str(user.pk))
    watch.look(database())
    assert not watch.changed
    spoil(
        "UPDATE jobs SET status = 'completed', credits_refunded = false WHERE status = 'cancelled'"
    )
    watch.look(database())
    assert list(watch.changed.values()) == ["cancelled became completed"]
