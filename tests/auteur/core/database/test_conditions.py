"""Checks that were written anew say what they said before."""

import pytest
from django.db import connection

from auteur.core.database.conditions import OneOf
from credits.models import CreditTransaction
from jobs.models import Attempt, Event, Job
from jobs.states import ENDED, OPEN, AttemptState, JobStatus

WORDS = "unnest(ARRAY['unknown', {}]) AS {} "


def words(*known: str) -> str:
    return ", ".join(f"'{word}'" for word in known)


def check(model, name: str) -> str:
    """The condition as the database has it."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_get_expr(conbin, conrelid) FROM pg_constraint"
            " WHERE conname = %s AND conrelid = %s::regclass",
            [name, model._meta.db_table],
        )
        return cursor.fetchone()[0]


def differing(before: str, after: str, rows: str) -> list[tuple]:
    """The rows that one of them lets in and the other does not: only false keeps a row out."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT * FROM {rows}"
            f" WHERE (({before}) IS NOT FALSE) <> (({after}) IS NOT FALSE)".replace("%", "%%")
        )
        return cursor.fetchall()


TIMES = "unnest(ARRAY[NULL, now()]) AS"
CASES = {
    "jobs_wake_while_open": (
        Job,
        f"(status IN ({words(*OPEN)}) AND wake_at IS NOT NULL AND completed_at IS NULL)"
        f" OR (status IN ({words(*ENDED)}) AND wake_at IS NULL AND completed_at IS NOT NULL)",
        f"unnest(ARRAY['unknown', '', {words(*JobStatus.values)}]) AS status,"
        f" {TIMES} wake_at, {TIMES} completed_at",
    ),
    # With the one above, without which it says less of the status.
    "jobs_refunded_were_charged": (
        Job,
        f"NOT credits_refunded OR (credits_cost > 0 AND status IN ({words(*ENDED)}))",
        f"unnest(ARRAY[true, false]) AS credits_refunded, unnest(ARRAY[0, 1]) AS credits_cost,"
        f" (SELECT status, CASE WHEN status IN ({words(*ENDED)}) THEN now() END AS completed_at"
        f"  FROM unnest(ARRAY[{words(*JobStatus.values)}]) AS status) AS told",
    ),
    "attempts_in_a_state": (
        Attempt,
        f"state IN ({words(*AttemptState.values)})",
        f"unnest(ARRAY['unknown', '', {words(*AttemptState.values)}]) AS state",
    ),
    "attempts_claimed_are_held": (
        Attempt,
        "NOT (state IN ('preparing', 'dispatching', 'collecting', 'finalizing'))"
        " OR (worker IS NOT NULL AND lease_expires_at IS NOT NULL)",
        f"unnest(ARRAY[{words(*AttemptState.values)}]) AS state,"
        f" unnest(ARRAY[NULL, 'w']) AS worker, {TIMES} lease_expires_at",
    ),
    "job_events_of_a_type": (
        Event,
        "type IN ('requested', 'started', 'retrying', 'requeued', 'completed', 'failed',"
        " 'cancelled')",
        "unnest(ARRAY['unknown', '', 'job.started', 'requested', 'started', 'retrying',"
        " 'requeued', 'completed', 'failed', 'cancelled']) AS type",
    ),
    "credit_transactions_fit_their_type": (
        CreditTransaction,
        "(type = 'usage' AND amount < 0 AND job_id IS NOT NULL)"
        " OR (type = 'refund' AND amount > 0 AND job_id IS NOT NULL)"
        " OR (type = 'expiry' AND amount < 0 AND job_id IS NULL)"
        " OR (type IN ('subscription', 'bonus', 'purchase', 'adjustment') AND job_id IS NULL)",
        "unnest(ARRAY['unknown', '', 'usage', 'refund', 'expiry', 'subscription', 'bonus',"
        " 'purchase', 'adjustment']) AS type, unnest(ARRAY[-1, 0, 1]) AS amount,"
        " unnest(ARRAY[NULL, gen_random_uuid()]) AS job_id",
    ),
}


@pytest.mark.django_db
@pytest.mark.parametrize("name", CASES)
def test_a_check_lets_in_what_the_one_before_let_in(name) -> None:
    model, before, rows = CASES[name]
    assert differing(before, check(model, name), rows) == []
    assert differing(before, "true", rows) != []


@pytest.mark.django_db
def test_one_of_asks_for_whole_words(make_job) -> None:
    make_job()
    assert Job.objects.filter(OneOf("status", ["pending", "failed"])).exists()
    assert not Job.objects.filter(OneOf("status", ["pend", "failed"])).exists()
    assert not Job.objects.filter(OneOf("status", [])).exists()
