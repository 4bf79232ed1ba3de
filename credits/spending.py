"""The spending of API keys, and their caps per UTC day and in total.

The statement that submits jobs enforces the caps (`credits.sql.build_spending_cte`) under the lock
of the user's account, so that concurrent requests cannot exceed them. Refunded credits can be spent
again: within the total cap always, within the daily cap on the same day.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, time, timedelta
from uuid import UUID

from django.db import connection
from django.utils import timezone

from auteur.core.api.problems import Problem
from credits import sql
from credits.models import KeySpending

CAPS = ("credits_per_day", "credits_in_all")
Caps = Mapping[str, int | None]
"""Caps by name. A missing name leaves the cap unchanged, None removes it."""


class SpendingCapReachedProblem(Problem):
    """The caps of the API key do not allow the price. Nothing was charged."""

    status_code = 403
    default_code = "spending_cap_reached"
    default_detail = (
        "This costs more than the caps of the API key allow. Raise them, or use another key."
    )


@dataclass(frozen=True)
class KeyUsage:
    """An API key's caps, None without one, and what it has spent."""

    credits_per_day: int | None
    credits_spent_today: int
    day_ends_at: datetime
    credits_in_all: int | None
    credits_spent: int

    @classmethod
    def from_row(cls, row: KeySpending) -> "KeyUsage":
        """Return the current usage of a key's row."""
        now = timezone.now()
        tomorrow = now.astimezone(UTC).date() + timedelta(days=1)
        return cls(
            credits_per_day=row.credits_per_day,
            credits_spent_today=row.count_spent_on(now),
            day_ends_at=datetime.combine(tomorrow, time(), UTC),
            credits_in_all=row.credits_in_all,
            credits_spent=row.spent,
        )

    def allows(self, required: int) -> bool:
        """Return True if the caps allow spending so much."""
        return all(required <= remaining for remaining in self._list_remaining())

    def get_available(self, balance: int) -> int:
        """Return how much of the balance the key may spend now."""
        return max(0, min([balance, *self._list_remaining()]))

    def _list_remaining(self) -> list[int]:
        """Return the remainder of each cap, below zero for a cap that was lowered since."""
        caps = (
            (self.credits_per_day, self.credits_spent_today),
            (self.credits_in_all, self.credits_spent),
        )
        return [cap - spent for cap, spent in caps if cap is not None]


def open_caps(*, api_key_id: UUID, caps: Caps) -> None:
    """Create the spending row of a new key."""
    today = timezone.now().astimezone(UTC).date()
    KeySpending.objects.create(api_key_id=api_key_id, day=today, **caps)


def delete_spending(*, api_key_ids: Collection[UUID]) -> None:
    """Delete the spending of deleted keys; rows with spent credits stay as a record."""
    KeySpending.objects.filter(pk__in=api_key_ids, spent=0, spent_today=0).delete()


def set_caps(*, api_key_id: UUID, caps: Caps) -> None:
    """Change caps; a cap below what is already spent stops the key."""
    if caps:
        KeySpending.objects.filter(pk=api_key_id).update(**caps)


def list_spending(api_key_ids: Iterable[UUID]) -> dict[UUID, KeySpending]:
    """Return the spending rows of keys, by key id."""
    return KeySpending.objects.in_bulk(list(api_key_ids))


def refund_spending(*, api_key_id: UUID, amount: int, charged_at: datetime) -> None:
    """Subtract a refunded charge from the key's spending.

    Call it in the transaction that refunds the account, after the account's row is locked.
    """
    if not connection.in_atomic_block:
        raise RuntimeError("a refund needs its caller's transaction")
    sql.run("refund_spending", api_key_id=api_key_id, amount=amount, charged_at=charged_at)


def get_usage(*, api_key_id: UUID) -> KeyUsage:
    """Return a key's current usage and caps."""
    return KeyUsage.from_row(KeySpending.objects.get(pk=api_key_id))


def check_caps(*, api_key_id: UUID, required: int) -> None:
    """Raise ``SpendingCapReachedProblem`` if the caps forbid it now; count nothing."""
    usage = get_usage(api_key_id=api_key_id)
    if not usage.allows(required):
        raise _build_problem(usage, required)


def build_problem(*, api_key_id: UUID, required: int) -> SpendingCapReachedProblem:
    """Return the problem, with the key's caps and spending."""
    return _build_problem(get_usage(api_key_id=api_key_id), required)


def _build_problem(usage: KeyUsage, required: int) -> SpendingCapReachedProblem:
    ends_at = usage.day_ends_at.isoformat().replace("+00:00", "Z")
    caps = (
        ("daily cap", usage.credits_per_day, usage.credits_spent_today),
        ("total cap", usage.credits_in_all, usage.credits_spent),
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
        **asdict(usage) | {"day_ends_at": ends_at},
    )
