"""Rows that wait for a worker, and the leases under which workers hold them.

Postgres says who holds a row and until when, and each change is one guarded UPDATE; a message only
wakes a worker, and may be lost or come twice (docs/decisions/0015).
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

from auteur import liveness
from auteur.broker import BROKER_OUTAGES
from auteur.database import execute
from gpu_tasks.runtime.errors import AuteurError

logger = logging.getLogger(__name__)

MAX_TRIES = 3
SENT_AGAIN_AFTER = timedelta(seconds=60)
"""A message by which nobody has claimed its row until then is taken for lost."""
OUTAGE_PAUSE = timedelta(seconds=30)

# One of each user's, then the next of each, what workers hold of theirs counted in: whoever brings
# a thousand files delays nobody. Of equal ones, whose user was served longest ago.
TAKE = """
WITH held AS (
    SELECT user_id, count(*) AS number FROM {table}
    WHERE {held} AND {due_at} IS NOT NULL GROUP BY user_id
), due AS (
    SELECT one.id, row_number() OVER (PARTITION BY one.user_id ORDER BY one.{due_at}, one.id)
        + coalesce(held.number, 0) AS turn
    FROM {table} AS one LEFT JOIN held ON held.user_id = one.user_id
    WHERE {waiting} AND one.{due_at} <= statement_timestamp()
), taken AS (
    SELECT one.id, due.turn FROM {table} AS one JOIN due ON due.id = one.id
    WHERE {waiting} AND one.{due_at} <= statement_timestamp()
    ORDER BY due.turn, array_position(%(served)s::uuid[], one.user_id) NULLS FIRST,
        one.{due_at}, one.id
    LIMIT %(limit)s FOR NO KEY UPDATE OF one SKIP LOCKED
)
UPDATE {table} SET {due_at} = statement_timestamp() + %(again)s
FROM taken WHERE {table}.id = taken.id
RETURNING {table}.id, {table}.user_id"""
SERVED_USERS = 1000
"""Users of whom is remembered that they were served, by each process that sends messages."""

Row = TypeVar("Row", bound=Model)


class LeaseLostError(AuteurError):
    """The row is gone, or another's: drop the work."""


@dataclass(frozen=True)
class Leases(Generic[Row]):
    """How the rows of a model wait and are held, by the names of its columns."""

    model: type[Row]
    waiting: Mapping[str, Any]
    """What a row says while it waits, its empty ``holder`` included."""
    held: Mapping[str, Any]
    """What it says while it is held."""
    holder: str
    due_at: str
    """When somebody must look again: to send a message, or whether the holder is lost."""
    fail: Callable[[QuerySet[Row]], int]
    """Ends rows of which no further try is made; returns how many."""
    tries: str | None = None
    """How often a row was claimed; without this column one try is all."""
    max_tries: int = MAX_TRIES
    duration: timedelta = timedelta(seconds=settings.WORKER_LEASE_SECONDS)
    new_holder: Callable[[], object] = uuid.uuid4
    served: dict[UUID, None] = field(default_factory=dict, compare=False)
    """Users whose rows this process has taken, the latest last."""

    def held_rows(self, **conditions: Any) -> QuerySet[Row]:
        held = {**self.held, f"{self.due_at}__isnull": False, **conditions}
        nobody = {self.holder: self.waiting[self.holder]}
        return self.model._default_manager.filter(**held).exclude(**nobody)

    def take_due(self, limit: int) -> list[UUID]:
        """Waiting rows whose message is to be sent, users (``user_id``) in turn.

        They come back unless somebody claims them.
        """
        if limit <= 0:
            return []
        # Literals: a partial index needs them.
        statement = TAKE.format(
            table=self.model._meta.db_table,
            waiting=" AND ".join(
                f"one.{column} IS NULL" if value is None else f"one.{column} = {_literal(value)}"
                for column, value in self.waiting.items()
            ),
            held=" AND ".join(
                [f"{column} = {_literal(value)}" for column, value in self.held.items()]
                + [f"{self.holder} IS DISTINCT FROM {_literal(self.waiting[self.holder])}"]
            ),
            due_at=self.due_at,
        )
        values = {"limit": limit, "again": SENT_AGAIN_AFTER, "served": list(self.served)}
        rows = list(execute(statement, values))
        for user_id in {user_id for _, user_id in rows}:
            self.served.pop(user_id, None)
            self.served[user_id] = None
        while len(self.served) > SERVED_USERS:
            del self.served[next(iter(self.served))]
        return [row_id for row_id, _ in rows]

    def claim(self, row_id: UUID, **found: Any) -> "Lease[Row] | None":
        """Hold a waiting row; None where there is nothing to do."""
        lease = Lease(self, row_id, self.new_holder())
        found |= {self.holder: lease.holder, self.due_at: Now() + self.duration, **self._tried(1)}
        waiting = self.model._default_manager.filter(pk=row_id, **self.waiting)
        return lease if waiting.update(**self.held, **found) else None

    def expire(self, **conditions: Any) -> int:
        """Take rows from holders that are dead, or silent for a lease; return how many.

        Silence counts only where this process watches the database (`liveness.watch_database`).
        """
        held = self.held_rows(**conditions)
        holders = list(held.values_list(self.holder, flat=True).distinct())
        if not holders:
            return 0
        lost = Q(
            **{f"{self.holder}__in": [one for one in holders if liveness.is_process_dead(str(one))]}
        )
        if liveness.can_expire_leases():
            lost |= Q(**{f"{self.due_at}__lte": Now()})
        return self.requeue(held.filter(lost), timedelta(0))

    def requeue(self, rows: QuerySet[Row], after: timedelta) -> int:
        """Let held rows wait for another try, or fail if they have had all; returns how many."""
        if self.tries is None:
            return self.fail(rows)
        over = Q(**{f"{self.tries}__gte": self.max_tries})
        return self.fail(rows.filter(over)) + rows.exclude(over).update(**self._waiting(after))

    def release(self, rows: QuerySet[Row], after: timedelta) -> int:
        """Let held rows wait as if they had not been claimed: this was no try; returns how many."""
        return rows.update(**self._waiting(after), **self._tried(-1))

    def _waiting(self, after: timedelta) -> dict[str, Any]:
        return {**self.waiting, self.due_at: Now() + after}

    def _tried(self, times: int) -> dict[str, Any]:
        return {self.tries: F(self.tries) + times} if self.tries else {}


@dataclass(frozen=True)
class Lease(Generic[Row]):
    """The right to work on a row, as long as it names the holder."""

    leases: Leases[Row]
    row_id: UUID
    holder: Any

    @property
    def row(self) -> QuerySet[Row]:
        """The row, if it is still ours."""
        return self.leases.held_rows(pk=self.row_id, **{self.leases.holder: self.holder})

    def renew(self, **found: Any) -> None:
        """Go on holding it, and note how far it is; raises ``LeaseLostError``."""
        self._update({self.leases.due_at: Now() + self.leases.duration} | found)

    def finish(self, **found: Any) -> None:
        """End it with what was found; raises ``LeaseLostError``."""
        nobody = self.leases.waiting[self.leases.holder]
        self._update({self.leases.due_at: None, self.leases.holder: nobody} | found)

    def fail(self) -> None:
        """Nothing can be made of it."""
        self.leases.fail(self.row)

    def requeue(self, after: timedelta = OUTAGE_PAUSE) -> None:
        """This try came to nothing, another may not."""
        self.leases.requeue(self.row, after)

    def release(self, after: timedelta = OUTAGE_PAUSE) -> None:
        """An outage of ours is no try."""
        self.leases.release(self.row, after)

    def _update(self, values: Mapping[str, Any]) -> None:
        if not self.row.update(**values):
            raise LeaseLostError


def _literal(value: object) -> str:
    """Return a constant of ours as SQL."""
    return "NULL" if value is None else f"'{value}'"


def wake_rows(task: str, messages: Mapping[UUID, Mapping[str, Any]]) -> None:
    """Send a worker a message for each of these rows, with options of Celery's.

    Losing some is harmless: rows that nobody claims are sent again.
    """
    try:
        for row_id, options in messages.items():
            current_app.send_task(task, [str(row_id)], **options)
    except BROKER_OUTAGES as exc:
        # It has kept us waiting for seconds: not once more for each message.
        logger.warning("messages of %s are not sent: %s", task, type(exc).__name__)
