"""What PostgreSQL and Redis say after a fault, read by SQL that shares nothing with our code."""

import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

import psycopg
import redis
from psycopg.rows import class_row

LOOK_SECONDS = 0.2
ENDED = ("completed", "failed", "cancelled")
WAKE_KEY = b"auteur:wake"
UNACKNOWLEDGED = "unacked"

JOBS = """
SELECT id::text, status, error_code, created_at, completed_at
FROM jobs WHERE user_id = %(user)s ORDER BY created_at"""

BOOKS = {
    "balance is not the sum of the rows": """
        SELECT 1 FROM credits c WHERE user_id = %(user)s AND balance <>
            (SELECT coalesce(sum(amount), 0) FROM credit_transactions t WHERE t.user_id = c.user_id)
    """,
    "balance is not what is left of the grants": """
        SELECT balance, grant_remaining FROM credits WHERE user_id = %(user)s AND balance <>
            (SELECT coalesce(sum(remaining), 0) FROM unnest(grant_remaining) AS remaining)
    """,
    "a grant is not what its rows left of it": """
        SELECT id, left_of_it, remaining FROM (
            SELECT g.id,
                   (SELECT coalesce(sum((part ->> 'amount')::int), 0)
                    FROM credit_transactions t, jsonb_array_elements(t.parts) AS part
                    WHERE t.user_id = g.user_id AND (part ->> 'grant_id')::bigint = g.id)
                       AS left_of_it,
                   coalesce(c.grant_remaining[array_position(c.grant_ids, g.id)], 0) AS remaining
            FROM credit_grants g JOIN credits c USING (user_id) WHERE g.user_id = %(user)s
        ) AS grants WHERE left_of_it <> remaining
    """,
    "balance_after does not chain": """
        SELECT 1 FROM (
            SELECT seq, row_number() OVER w AS place, balance_after, sum(amount) OVER w AS expected
            FROM credit_transactions WHERE user_id = %(user)s WINDOW w AS (ORDER BY seq)
        ) AS row WHERE balance_after <> expected OR seq <> place
    """,
    "not one usage of the price": """
        SELECT j.id FROM jobs j WHERE j.user_id = %(user)s AND j.credits_cost <>
            (SELECT coalesce(-sum(amount), 0) FROM credit_transactions t
             WHERE t.job_id = j.id AND t.type = 'usage')
    """,
    "refund is not the price of what failed or was cancelled": """
        SELECT j.id FROM jobs j WHERE j.user_id = %(user)s AND
            (SELECT coalesce(sum(amount), 0) FROM credit_transactions t
             WHERE t.job_id = j.id AND t.type = 'refund')
            <> CASE WHEN j.status IN ('failed', 'cancelled') THEN j.credits_cost ELSE 0 END
    """,
    "refund flag is not what the ledger says": """
        SELECT j.id FROM jobs j WHERE j.user_id = %(user)s AND j.credits_refunded <>
            EXISTS (SELECT 1 FROM credit_transactions t
                    WHERE t.job_id = j.id AND t.type = 'refund')
    """,
    "more than one usage or refund": """
        SELECT job_id FROM credit_transactions WHERE user_id = %(user)s AND job_id IS NOT NULL
        GROUP BY job_id, type HAVING count(*) > 1
    """,
    "did not end once in its events": """
        SELECT j.id FROM jobs j WHERE j.user_id = %(user)s AND j.status = ANY(%(ended)s) AND
            (SELECT array_agg(e.type::text) FROM user_events e
             WHERE e.job_id = j.id AND e.type IN ('job.completed', 'job.failed', 'job.cancelled'))
            IS DISTINCT FROM ARRAY['job.' || j.status]
    """,
    "events are not numbered 1, 2, 3": """
        SELECT row.job_id, row.type, row.seq FROM (
            SELECT job_id, type, seq,
                   row_number() OVER (PARTITION BY seq / 100000000 ORDER BY position) AS place
            FROM user_events WHERE user_id = %(user)s
        ) AS row WHERE seq %% 100000000 <> place
    """,
}

# A call whose id its worker did not live to tell cannot be stopped; its reports are answered 409.
UNFINISHED = {
    "attempt of an ended job is open": """
        SELECT a.id FROM job_attempts a JOIN jobs j ON j.id = a.job_id
        WHERE j.user_id = %(user)s AND j.status = ANY(%(ended)s) AND a.state <> ALL(%(ended)s)
    """,
    "call is still waiting or running": """
        SELECT c.id, c.state, a.state, j.status FROM local_calls c
        JOIN job_attempts a ON a.id = c.attempt_id JOIN jobs j ON j.id = a.job_id
        WHERE j.user_id = %(user)s AND c.state IN ('queued', 'running')
          AND (a.call_id IS NOT NULL OR a.state <> ALL(%(ended)s))
    """,
    "call was not stopped": """
        SELECT a.id FROM job_attempts a JOIN jobs j ON j.id = a.job_id
        WHERE j.user_id = %(user)s AND a.stop_requested_at IS NOT NULL AND a.stopped_at IS NULL
          AND a.call_id IS NOT NULL
    """,
    "due, and nobody looks": """
        SELECT j.id, j.status, round(extract(epoch FROM now() - j.wake_at)), a.number, a.state
        FROM jobs j LEFT JOIN job_attempts a ON a.id = j.attempt_id
        WHERE j.user_id = %(user)s AND j.status <> ALL(%(ended)s)
    """,
    # The last: the end of a job, which a rule above found ended, may wait for its number still.
    "event waits for its number": "SELECT id, type FROM job_events WHERE user_id = %(user)s",
}


@dataclass(frozen=True)
class JobRow:
    """A job as the audit sees it."""

    id: str
    status: str
    error_code: str | None
    created_at: datetime
    completed_at: datetime | None

    @property
    def is_ended(self) -> bool:
        """Whether its status is terminal."""
        return self.status in ENDED

    def was_open_at(self, moment: datetime) -> bool:
        """Whether it was submitted by then, and had not ended."""
        return self.created_at <= moment and (
            self.completed_at is None or self.completed_at > moment
        )


def jobs_of(database: psycopg.Connection, user_id: str) -> list[JobRow]:
    """The user's jobs, oldest first."""
    with database.cursor(row_factory=class_row(JobRow)) as cursor:
        return cursor.execute(JOBS, {"user": user_id}).fetchall()


def violations(
    database: psycopg.Connection, user_id: str, rules: dict[str, str]
) -> dict[str, list[str]]:
    """The rules that rows of this user break, with what tells most of the rows."""
    values: dict[str, Any] = {"user": user_id, "ended": list(ENDED)}
    values_value = {}
    for rule, query in rules.items():
        if rows := database.execute(query, values).fetchall():
            values_value[rule] = [" ".join(map(str, row)) for row in rows]
    return values_value


def tried_again(database: psycopg.Connection, user_id: str) -> list[str]:
    """The user's jobs that needed more than one attempt."""
    rows = database.execute(
        "SELECT j.id FROM jobs j JOIN job_attempts a ON a.job_id = j.id"
        " WHERE j.user_id = %s AND a.number > 1",
        [user_id],
    )
    return [str(job_id) for (job_id,) in rows]


def leftover_messages(client: redis.Redis) -> dict[str, int]:
    """How many messages wait in each queue; the wake signal is none."""
    queues = [key for key in client.scan_iter() if client.type(key) == b"list" and key != WAKE_KEY]
    return {key.decode(): length for key in queues if (length := client.llen(key))}


def unacknowledged(client: redis.Redis) -> int:
    """Messages that a killed worker had taken: Celery brings them again, much later."""
    return int(client.hlen(UNACKNOWLEDGED))


class Watch:
    """Looks at a user's jobs all the time, and notes each end that does not stay as it was."""

    def __init__(self, connect: Callable[[], psycopg.Connection], user_id: str) -> None:
        self.changed: dict[str, str] = {}
        self._connect = connect
        self._user_id = user_id
        self._ended: dict[str, JobRow] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            with contextlib.suppress(psycopg.Error), self._connect() as database:
                while not self._stop.wait(LOOK_SECONDS):
                    self.look(database)
            self._stop.wait(LOOK_SECONDS)

    def forget(self) -> None:
        """Begin anew: the database was put back to an earlier time."""
        with self._lock:
            self._ended.clear()
            self.changed.clear()

    def look(self, database: psycopg.Connection) -> None:
        """Compare each ended job with how it was when it was first seen ended."""
        with self._lock:
            rows = {row.id: row for row in jobs_of(database, self._user_id)}
            for job_id, before in self._ended.items():
                now = rows.get(job_id)
                if now != before:
                    self.changed[job_id] = f"{before.status} became {now and now.status}"
            self._ended |= {row.id: row for row in rows.values() if row.is_ended}
