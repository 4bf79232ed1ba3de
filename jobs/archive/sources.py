"""Which rows are archived, in which order, as which columns; and which of them go then.

No column holds what people typed or what is named after it: ids, types, times and numbers alone,
which stay of an account that is forgotten, too. The ledger's descriptions are of the books.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import Any, Protocol, cast
from uuid import UUID

from django.conf import settings

from jobs import sql

DAY = timedelta(days=1)
STAMP = "%Y%m%dT%H%M%S.%f"
STAMP_LENGTH = 22
FIRST_ID, LAST_ID = UUID(int=0), UUID(int=2**128 - 1)
LAST_POSITION = 2**63 - 1
LEDGER_RESTS = DAY
"""Before a row of the ledger is copied: no transaction that adds one is open for longer."""


Row = Sequence[Any]
"""Whether it is due, its id or position, its time, and its other columns."""


class Order(Protocol):
    """How a table is walked through."""

    def key_of(self, row: Row) -> str: ...

    def span(self, after: str, last: str | None) -> dict[str, Any]:
        """Rows after one key, up to another or as far as a page goes: as values of statements."""
        ...

    def take(self, rows: Sequence[Row]) -> Sequence[Row]:
        """Those of a page that leave together."""
        ...

    def month_of(self, rows: Sequence[Row], due_before: datetime) -> datetime:
        """In which month's folder those lie."""
        ...

    def behind(self, rows: Sequence[Row], taken: Sequence[Row]) -> str:
        """Where the walk goes on after them."""
        ...

    def passed(self, after: str, rows: Sequence[Row], due_before: datetime) -> str | None:
        """Where it goes on behind a page of which nothing was taken; None: it waits."""
        ...


class _Ascending:
    """The oldest first, so that what is left is whole, and as far as they are of one month."""

    def take(self, rows: Sequence[Row]) -> Sequence[Row]:
        months = [(row[2].year, row[2].month) for row in rows]
        count = sum(1 for _ in takewhile(lambda month: month == months[0], months))
        return list(takewhile(lambda row: row[0], rows[:count]))

    def month_of(self, rows: Sequence[Row], due_before: datetime) -> datetime:
        return cast(datetime, rows[0][2])


class ByPosition(_Ascending):
    """Keys are positions of the numbered log."""

    def key_of(self, row: Row) -> str:
        return str(row[1])

    def span(self, after: str, last: str | None) -> dict[str, Any]:
        return {"after": int(after or 0), "last": int(last) if last else LAST_POSITION}

    def behind(self, rows: Sequence[Row], taken: Sequence[Row]) -> str:
        return self.key_of(taken[-1])

    def passed(self, after: str, rows: Sequence[Row], due_before: datetime) -> str | None:
        return None


class ByDay(_Ascending):
    """Keys are times of creation with ids; a page is within one day, for its index to be used."""

    def key_of(self, row: Row) -> str:
        return key_of_time(row[2], row[1])

    def span(self, after: str, last: str | None) -> dict[str, Any]:
        at, after_id = _time_of(after)
        last_at, last_id = _time_of(last) if last else (day_of(at) + DAY, FIRST_ID)
        return {"at": at, "after": after_id, "last_at": last_at, "last": last_id}

    def behind(self, rows: Sequence[Row], taken: Sequence[Row]) -> str:
        return self.key_of(taken[-1])

    def passed(self, after: str, rows: Sequence[Row], due_before: datetime) -> str | None:
        end = day_of(_time_of(after)[0]) + DAY
        return None if rows or end > due_before else key_of_time(end, FIRST_ID)


class ById:
    """Keys are ids; the walk passes what is not due, and begins again behind the last.

    No index has to be kept for it (docs/decisions/0039). What leaves together lies in the month in
    which it did.
    """

    def key_of(self, row: Row) -> str:
        return str(row[1])

    def span(self, after: str, last: str | None) -> dict[str, Any]:
        return {
            "after": UUID(after) if after else FIRST_ID,
            "last": UUID(last) if last else LAST_ID,
        }

    def take(self, rows: Sequence[Row]) -> Sequence[Row]:
        return [row for row in rows if row[0]]

    def month_of(self, rows: Sequence[Row], due_before: datetime) -> datetime:
        return due_before

    def behind(self, rows: Sequence[Row], taken: Sequence[Row]) -> str:
        return self.key_of(rows[-1])

    def passed(self, after: str, rows: Sequence[Row], due_before: datetime) -> str | None:
        return self.key_of(rows[-1]) if rows else ""


def key_of_time(at: datetime, row_id: UUID) -> str:
    """As parts are named: ordered as the rows are."""
    return f"{at.astimezone(UTC).strftime(STAMP)}-{row_id}"


def _time_of(key: str) -> tuple[datetime, UUID]:
    at = datetime.strptime(key[:STAMP_LENGTH], STAMP).replace(tzinfo=UTC)
    return at, UUID(key[STAMP_LENGTH + 1 :])


def day_of(at: datetime) -> datetime:
    """Its beginning, in UTC."""
    return at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


@dataclass(frozen=True)
class Source:
    """A table that is archived: by a statement of a page of rows, each led by whether it is due."""

    table: str
    page: str
    columns: Mapping[str, str]
    """Names and types of the page's columns after its first: id or position, time, and others."""
    order: Order
    kept: Callable[[], timedelta | None]
    """How long rows stay before they are taken; None: they are not."""
    remove: str | None = None
    """The statement that deletes a span; None: what is written is a copy."""

    def rows(
        self, after: str, last: str | None, *, due_before: datetime, limit: int | None
    ) -> list[tuple[Any, ...]]:
        span = self.order.span(after, last)
        return sql.run(self.page, **span, due_before=due_before, limit=limit)

    def delete(self, after: str, last: str, *, due_before: datetime) -> int:
        if self.remove is None:
            return 0
        span = self.order.span(after, last)
        ((removed,),) = sql.run(self.remove, **span, due_before=due_before)
        return int(removed)


def is_archiving() -> bool:
    """Whether rows that leave are written anywhere before, by setting."""
    return bool(settings.ARCHIVE == "storage")


def _events() -> timedelta | None:
    # Without an archive, `jobs.retention.sweeping` removes them.
    return timedelta(days=settings.EVENTS_KEPT_DAYS) if is_archiving() else None


def _attempts() -> timedelta | None:
    days = settings.ATTEMPTS_KEPT_DAYS
    return timedelta(days=days) if days else None


def _ledger() -> timedelta | None:
    return LEDGER_RESTS if is_archiving() else None


IDS = {"id": "id", "created_at": "time"}
SOURCES = (
    Source(
        table="user_events",
        page="events_to_archive",
        columns={
            "position": "long",
            "created_at": "time",
            "user_id": "id",
            "seq": "long",
            "job_id": "id",
            "type": "text",
            "job_type": "text",
            "status": "text",
            "attempt": "long",
            "credits_cost": "long",
            "credits_refunded": "long",
            "processing_time_ms": "long",
            "error_code": "text",
            "hash": "hash",
        },
        order=ByPosition(),
        kept=_events,
        remove="remove_events",
    ),
    Source(
        table="job_attempts",
        page="attempts_to_archive",
        columns=IDS
        | {
            "job_id": "id",
            "user_id": "id",
            "job_type": "text",
            "number": "long",
            "state": "text",
            "backend": "text",
            "engine": "text",
            "gpu_class": "text",
            "call_id": "text",
            "error_code": "text",
            "crash_count": "long",
            "used_credits": "long",
            "claimed_at": "time",
            "dispatched_at": "time",
            "started_at": "time",
            "reported_at": "time",
            "finished_at": "time",
            "load_seconds": "real",
            "run_seconds": "real",
        },
        order=ById(),
        kept=_attempts,
        remove="remove_attempts",
    ),
    Source(
        table="credit_transactions",
        page="ledger_to_archive",
        columns=IDS
        | {
            "user_id": "id",
            "seq": "long",
            "type": "text",
            "amount": "long",
            "balance_after": "long",
            "job_id": "id",
            "description": "text",
            "parts": "text",
        },
        order=ByDay(),
        kept=_ledger,
    ),
)
