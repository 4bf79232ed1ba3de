"""What API keys spend, and their caps: per day of UTC, and in all.

The statement that submits jobs enforces a cap (`credits.sql.spending_cte`), under the lock of the
user's account: however many connections ask at once, no more is spent. What is refunded may be
spent again: of the cap in all always, of a day's on the same day.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, time, timedelta
from uuid import UUID

from django.db import connection
from django.utils import timezone

from auteur.api.problems import Problem
from credits import sql
from credits.models import KeySpending

CAPS = ("credits_per_day", "credits_in_all")
Caps = Mapping[str, int | None]
"""By name; what is left out stays, None is no cap."""


class SpendingCapReachedProblem(Problem):
    """The API key may not spend so much; nothing was taken. The account itself may have it."""

    status_code = 403
    default_code = "spending_cap_reached"
    default_detail = "This costs more than the caps of the API key allow."


@dataclass(frozen=True)
class KeyUsage:
    """An API key's caps, where there are any, and what it has spent of them."""

    credits_per_day: int | None
    credits_spent_today: int
    day_ends_at: datetime
    credits_in_all: int | None
    credits_spent: int

    @classmethod
    def of(cls, row: KeySpending) -> "KeyUsage":
        """As the key stands now."""
        now = timezone.now()
        tomorrow = now.astimezone(UTC).date() + timedelta(days=1)
        return cls(
            credits_per_day=row.credits_per_day,
            credits_spent_today=row.spent_on(now),
            day_ends_at=datetime.combine(tomorrow, time(), UTC),
            credits_in_all=row.credits_in_all,
            credits_spent=row.spent,
        )

    def allows(self, required: int) -> bool:
        """Whether the caps leave so much."""
        return all(required <= left for left in self._left())

    def left_of(self, balance: int) -> int:
        """How much of the balance the key may spend now."""
        return max(0, min([balance, *self._left()]))

    def _left(self) -> list[int]:
        """Of each cap; below zero where it was lowered since."""
        caps = (
            (self.credits_per_day, self.credits_spent_today),
            (self.credits_in_all, self.credits_spent),
        )
        return [cap - spent for cap, spent in caps if cap is not None]


def open_caps(*, api_key_id: UUID, caps: Caps) -> None:
    """Count from now on what a new key spends."""
    today = timezone.now().astimezone(UTC).date()
    KeySpending.objects.create(api_key_id=api_key_id, day=today, **caps)


def delete_spending(*, api_key_ids: Collection[UUID]) -> None:
    """Count no longer what keys spend that are gone; of what was spent the record stays."""
    KeySpending.objects.filter(pk__in=api_key_ids, spent=0, spent_today=0).delete()


def set_caps(*, api_key_id: UUID, caps: Caps) -> None:
    """Change caps; one below what is spent already stops the key."""
    if caps:
        KeySpending.objects.filter(pk=api_key_id).update(**caps)


def list_spending(api_key_ids: Iterable[UUID]) -> dict[UUID, KeySpending]:
    """What keys have spent, and may."""
    return KeySpending.objects.in_bulk(list(api_key_ids))


def refund_spending(*, api_key_id: UUID, amount: int, charged_at: datetime) -> None:
    """What was refunded of a charge does not count; after the account's row, in its transaction."""
    if not connection.in_atomic_block:
        raise RuntimeError("what is given back needs its caller's transaction")
    sql.run("give_back", api_key_id=api_key_id, amount=amount, charged_at=charged_at)


def get_usage(*, api_key_id: UUID) -> KeyUsage:
    """What the key may spend, and has spent."""
    return KeyUsage.of(KeySpending.objects.get(pk=api_key_id))


def check_caps(*, api_key_id: UUID, required: int) -> None:
    """Raise ``SpendingCapReachedProblem`` where the caps forbid it now; nothing is counted."""
    now = get_usage(api_key_id=api_key_id)
    if not now.allows(required):
        raise _refusal(now, required)


def build_problem(*, api_key_id: UUID, required: int) -> SpendingCapReachedProblem:
    """The problem, with the caps, and what is spent of them."""
    return _refusal(get_usage(api_key_id=api_key_id), required)


def _refusal(now: KeyUsage, required: int) -> SpendingCapReachedProblem:
    ends_at = now.day_ends_at.isoformat().replace("+00:00", "Z")
    caps = (
        ("daily cap", now.credits_per_day, now.credits_spent_today),
        ("total cap", now.credits_in_all, now.credits_spent),
    )
    exceeded = [
        f"{max(0, cap - spent):,} left of its {name} of {cap:,}"
        for name, cap, spent in caps
        if cap is not None and required > cap - spent
    ]
    detail = f"This costs {required:,} credits, but the API key has {' and '.join(exceeded)}."
    return SpendingCapReachedProblem(
        detail if exceeded else None,
        required=required,
        **asdict(now) | {"day_ends_at": ends_at},
    )
