"""Lines of rows that wait for work: Postgres says whose turn it is, and a message only wakes.

A row stands in a line while it has a time at which somebody must look again: to send its message,
or, once a worker has claimed it, whether that worker is lost. Each change is one guarded UPDATE
(docs/decisions/0015).
"""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Generic, TypeVar
from uuid import UUID

from django.db.models import F, Model, Q, QuerySet
from django.db.models.functions import Now

from auteur.database import execute

LEASE = timedelta(seconds=60)
"""Longer than one read from the storage may take; renewed while the work goes on."""
MAX_TRIES = 3
SENT_AGAIN_AFTER = timedelta(seconds=60)
"""A message not claimed by then is taken for lost."""
OUTAGE_PAUSE = timedelta(seconds=30)

# One of each user's, then the next of each: whoever brings a thousand files delays nobody.
TAKE = """
WITH due AS (
    SELECT id, row_number() OVER (PARTITION BY user_id ORDER BY {at}, id) AS turn
    FROM {table}
    WHERE status = '{status}' AND {claim} IS NULL AND {at} <= statement_timestamp()
), taken AS (
    SELECT one.id FROM {table} AS one JOIN due ON due.id = one.id
    WHERE one.status = '{status}' AND one.{claim} IS NULL AND one.{at} <= statement_timestamp()
    ORDER BY due.turn, one.{at}, one.id LIMIT %(at_once)s
    FOR NO KEY UPDATE OF one SKIP LOCKED
)
UPDATE {table} SET {at} = statement_timestamp() + %(again)s
FROM taken WHERE {table}.id = taken.id
RETURNING {table}.id"""

Row = TypeVar("Row", bound=Model)


class ClaimLost(Exception):
    """The row is gone, or another's: drop the work."""


@dataclass(frozen=True)
class Line(Generic[Row]):
    """The rows of a model that have a status and a time in the column ``at``."""

    model: type[Row]
    status: str
    at: str
    claim_by: str
    """The column with the token of who works on it."""
    tries: str
    give_up: Callable[[QuerySet[Row]], int]
    """Ends rows that have had all their tries; answers how many."""
    waiting: Mapping[str, Any] = field(default_factory=dict)
    """What else is written when a row waits (again)."""
    working: Mapping[str, Any] = field(default_factory=dict)
    """What else is written when it is claimed."""

    def rows(self, **conditions: Any) -> QuerySet[Row]:
        """Those that stand in the line."""
        standing = {"status": self.status, f"{self.at}__isnull": False}
        return self.model._default_manager.filter(**standing, **conditions)

    def claimed(self) -> QuerySet[Row]:
        """Those that somebody works on."""
        return self.rows(**{f"{self.claim_by}__isnull": False})

    def take_due(self, at_once: int) -> list[UUID]:
        """Waiting rows whose message is to be sent; they come back unless somebody claims them."""
        if at_once <= 0:
            return []
        statement = TAKE.format(
            table=self.model._meta.db_table, status=self.status, at=self.at, claim=self.claim_by
        )
        values = {"at_once": at_once, "again": SENT_AGAIN_AFTER}
        return [row_id for (row_id,) in execute(statement, values)]

    def take_back_lost(self) -> int:
        """End the claims of lost workers: another try, or none; returns how many there were."""
        return self._put_back(self.claimed().filter(**{f"{self.at}__lte": Now()}), timedelta(0))

    def claim(self, row_id: UUID) -> "Claim[Row] | None":
        """Take a waiting row; None where there is nothing to do."""
        made = Claim(self, row_id, uuid.uuid4())
        taken = self.rows(pk=row_id, **{f"{self.claim_by}__isnull": True}).update(
            **self.working,
            **{
                self.claim_by: made.token,
                self.tries: F(self.tries) + 1,
                self.at: Now() + LEASE,
            },
        )
        return made if taken else None

    def _put_back(self, claimed: QuerySet[Row], pause: timedelta) -> int:
        over = Q(**{f"{self.tries}__gte": MAX_TRIES})
        given_up = self.give_up(claimed.filter(over))
        again = {self.claim_by: None, self.at: Now() + pause}
        return given_up + claimed.exclude(over).update(**self.waiting, **again)


@dataclass(frozen=True)
class Claim(Generic[Row]):
    """The right to work on a row, as long as it names the token."""

    line: Line[Row]
    row_id: UUID
    token: UUID

    @property
    def row(self) -> QuerySet[Row]:
        """The row, if it is still ours."""
        return self.line.rows(pk=self.row_id, **{self.line.claim_by: self.token})

    def renew(self, **found: Any) -> None:
        """Go on holding it, and note how far it is; raises ``ClaimLost``."""
        if not self.row.update(**{self.line.at: Now() + LEASE}, **found):
            raise ClaimLost

    def finish(self, **found: Any) -> None:
        """Leave the line with what was found; raises ``ClaimLost``."""
        if not self.row.update(**{self.line.at: None, self.line.claim_by: None}, **found):
            raise ClaimLost

    def give_up(self) -> None:
        """Nothing can be made of it."""
        self.line.give_up(self.row)

    def try_again(self) -> None:
        """This try came to nothing, another may not."""
        self.line._put_back(self.row, OUTAGE_PAUSE)

    def wait_for_storage(self) -> None:
        """An outage of ours is no try."""
        again = {
            self.line.claim_by: None,
            self.line.tries: F(self.line.tries) - 1,
            self.line.at: Now() + OUTAGE_PAUSE,
        }
        self.row.update(**self.line.waiting, **again)
