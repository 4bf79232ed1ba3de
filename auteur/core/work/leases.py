"""Rows that wait for a worker, and the leases under which workers hold them.

PostgreSQL records who holds a row and until when, and each change is one guarded UPDATE. A message
only wakes a worker, and may be lost or arrive twice (docs/decisions/0015).
"""

import logging
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Generic, TypeVar
from uuid import UUID

from celery import current_app
from django.conf import settings
from django.db.models import F, Model, Q, QuerySet
from django.db.models.functions import Now

from auteur.core.database import execute
from auteur.core.work import liveness
from auteur.core.work.broker import BROKER_OUTAGES
from gpu_tasks.runtime.errors import AuteurError

logger = logging.getLogger(__name__)

MAX_TRIES = 3
RESEND_AFTER = timedelta(seconds=60)
"""A message counts as lost if no worker has claimed its row by then."""
OUTAGE_PAUSE = timedelta(seconds=30)

# Users alternate: the first row of each user, then the second of each. Rows that workers hold
# count, so a user with a thousand files delays nobody. Of rows with the same rank, the user served
# longest ago comes first.
SELECT_DUE = """
WITH held AS (
    SELECT user_id, count(*) AS number FROM {table}
    WHERE {held} AND {due_at} IS NOT NULL GROUP BY user_id
), due AS (
    SELECT task.id, row_number() OVER (PARTITION BY task.user_id ORDER BY task.{due_at}, task.id)
        + coalesce(held.number, 0) AS fair_rank
    FROM {table} AS task LEFT JOIN held ON held.user_id = task.user_id
    WHERE {waiting} AND task.{due_at} <= statement_timestamp()
), selected AS (
    SELECT task.id, due.fair_rank FROM {table} AS task JOIN due ON due.id = task.id
    WHERE {waiting} AND task.{due_at} <= statement_timestamp()
    ORDER BY due.fair_rank, array_position(%(served)s::uuid[], task.user_id) NULLS FIRST,
        task.{due_at}, task.id
    LIMIT %(limit)s FOR NO KEY UPDATE OF task SKIP LOCKED
)
UPDATE {table} SET {due_at} = statement_timestamp() + %(again)s
FROM selected WHERE {table}.id = selected.id
RETURNING {table}.id, {table}.user_id"""
SERVED_USERS = 1000
"""How many recently served users each process that sends messages remembers."""

Row = TypeVar("Row", bound=Model)


class LeaseLostError(AuteurError):
    """The row is gone, or another worker holds it. Drop the work."""


@dataclass(frozen=True)
class Leases(Generic[Row]):
    """The columns by which the rows of a model wait and are held, and the operations on them."""

    model: type[Row]
    waiting: Mapping[str, Any]
    """Column values of a waiting row, its empty ``holder`` included."""
    claimed: Mapping[str, Any]
    """Column values of a held row."""
    holder: str
    due_at: str
    """The column with the time of the next look: to send a message, or to check the holder."""
    fail: Callable[[QuerySet[Row]], int]
    """Ends rows that get no further try. Returns how many."""
    tries: str | None = None
    """The column that counts claims. Without it, a row gets one try."""
    max_tries: int = MAX_TRIES
    duration: timedelta = timedelta(seconds=settings.WORKER_LEASE_SECONDS)
    create_holder: Callable[[], object] = uuid.uuid4
    served: dict[UUID, None] = field(default_factory=dict, compare=False)
    """Users whose rows this process has selected, the latest last."""

    def list_claimed_rows(self, **conditions: Any) -> QuerySet[Row]:
        filters = {**self.claimed, f"{self.due_at}__isnull": False, **conditions}
        unclaimed = {self.holder: self.waiting[self.holder]}
        return self.model._default_manager.filter(**filters).exclude(**unclaimed)

    def select_due(self, limit: int) -> list[UUID]:
        """Return ids of waiting rows whose message must be sent now, alternating between users.

        Rows that nobody claims are returned again after ``RESEND_AFTER``.
        """
        if limit <= 0:
            return []
        # PostgreSQL uses a partial index only if the statement has literals.
        statement = SELECT_DUE.format(
            table=self.model._meta.db_table,
            waiting=" AND ".join(
                f"task.{column} IS NULL" if value is None else f"task.{column} = {_literal(value)}"
                for column, value in self.waiting.items()
            ),
            held=" AND ".join(
                [f"{column} = {_literal(value)}" for column, value in self.claimed.items()]
                + [f"{self.holder} IS DISTINCT FROM {_literal(self.waiting[self.holder])}"]
            ),
            due_at=self.due_at,
        )
        values = {"limit": limit, "again": RESEND_AFTER, "served": list(self.served)}
        rows = list(execute(statement, values))
        for user_id in {user_id for _, user_id in rows}:
            self.served.pop(user_id, None)
            self.served[user_id] = None
        while len(self.served) > SERVED_USERS:
            del self.served[next(iter(self.served))]
        return [row_id for row_id, _ in rows]

    def claim(self, row_id: UUID, **values: Any) -> "Lease[Row] | None":
        """Claim a waiting row. Return None if it is gone or does not wait."""
        lease = Lease(self, row_id, self.create_holder())
        values |= {
            self.holder: lease.holder,
            self.due_at: Now() + self.duration,
            **self._build_tries_update(1),
        }
        waiting = self.model._default_manager.filter(pk=row_id, **self.waiting)
        return lease if waiting.update(**self.claimed, **values) else None

    def expire(self, **conditions: Any) -> int:
        """Requeue rows whose holder is dead, or silent for a lease. Return how many.

        Silence counts only if this process watches the database (`liveness.watch_database`).
        """
        list_claimed_rows = self.list_claimed_rows(**conditions)
        holders = list(list_claimed_rows.values_list(self.holder, flat=True).distinct())
        if not holders:
            return 0
        lost = Q(
            **{
                f"{self.holder}__in": [
                    holder for holder in holders if liveness.is_process_dead(str(holder))
                ]
            }
        )
        if liveness.can_expire_leases():
            lost |= Q(**{f"{self.due_at}__lte": Now()})
        return self.requeue(list_claimed_rows.filter(lost), timedelta(0))

    def requeue(self, rows: QuerySet[Row], after: timedelta) -> int:
        """Let held rows wait for another try, or fail those without one. Return how many."""
        if self.tries is None:
            return self.fail(rows)
        is_exhausted = Q(**{f"{self.tries}__gte": self.max_tries})
        return self.fail(rows.filter(is_exhausted)) + rows.exclude(is_exhausted).update(
            **self._build_waiting_values(after)
        )

    def release(self, rows: QuerySet[Row], after: timedelta) -> int:
        """Let held rows wait again without counting this as a try. Return how many."""
        return rows.update(**self._build_waiting_values(after), **self._build_tries_update(-1))

    def _build_waiting_values(self, after: timedelta) -> dict[str, Any]:
        return {**self.waiting, self.due_at: Now() + after}

    def _build_tries_update(self, times: int) -> dict[str, Any]:
        return {self.tries: F(self.tries) + times} if self.tries else {}


@dataclass(frozen=True)
class Lease(Generic[Row]):
    """The right to work on a row, as long as the row names the holder."""

    leases: Leases[Row]
    row_id: UUID
    holder: Any

    @property
    def row(self) -> QuerySet[Row]:
        """Return the row, or an empty query set if this lease no longer holds it."""
        return self.leases.list_claimed_rows(pk=self.row_id, **{self.leases.holder: self.holder})

    def renew(self, **values: Any) -> None:
        """Extend the lease and write ``values``. Raise ``LeaseLostError`` if it is lost."""
        self._update({self.leases.due_at: Now() + self.leases.duration} | values)

    def finish(self, **values: Any) -> None:
        """End the lease and write ``values``. Raise ``LeaseLostError`` if it is lost."""
        unclaimed = self.leases.waiting[self.leases.holder]
        self._update({self.leases.due_at: None, self.leases.holder: unclaimed} | values)

    def fail(self) -> None:
        """Fail the row for good."""
        self.leases.fail(self.row)

    def requeue(self, after: timedelta = OUTAGE_PAUSE) -> None:
        """Let the row wait for another try, or fail it if this was the last."""
        self.leases.requeue(self.row, after)

    def release(self, after: timedelta = OUTAGE_PAUSE) -> None:
        """Let the row wait again after an outage of ours, which counts as no try."""
        self.leases.release(self.row, after)

    def _update(self, values: Mapping[str, Any]) -> None:
        if not self.row.update(**values):
            raise LeaseLostError


def _literal(value: object) -> str:
    """Return a constant of the code as SQL."""
    return "NULL" if value is None else f"'{value}'"


def wake_rows(task: str, messages: Mapping[UUID, Mapping[str, Any]]) -> None:
    """Send a worker a message for each row, with Celery options. Lost messages are sent again."""
    try:
        for row_id, options in messages.items():
            current_app.send_task(task, [str(row_id)], **options)
    except BROKER_OUTAGES as exc:
        # The broker has cost seconds already. Trying each other message would cost as much again.
        logger.warning("messages of %s are not sent: %s", task, type(exc).__name__)
