"""What API keys spend, and their caps: per day of UTC, and in all.

A cap is held by the statement that submits jobs (`credits.sql.spend`), under the lock of the user's
account: however many connections ask at once, no more is spent. What is refunded may be spent
again: of the cap in all always, of a day's on the same day.
"""

from collections.abc import Collection, Iterable, Mapping
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
    default_detail = "This is more than the caps of this API key leave."


def begin(*, api_key_id: UUID, caps: Caps) -> None:
    """Count from now on what a new key spends."""
    today = timezone.now().astimezone(UTC).date()
    KeySpending.objects.create(api_key_id=api_key_id, day=today, **caps)


def forget(*, api_key_ids: Collection[UUID]) -> None:
    """Count no longer what keys spend that are gone; of what was spent the record stays."""
    KeySpending.objects.filter(pk__in=api_key_ids, spent=0, spent_today=0).delete()


def set_caps(*, api_key_id: UUID, caps: Caps) -> None:
    """Change caps; one below what is spent already stops the key."""
    if caps:
        KeySpending.objects.filter(pk=api_key_id).update(**caps)


def of(api_key_ids: Iterable[UUID]) -> dict[UUID, KeySpending]:
    """What keys have spent, and may."""
    return KeySpending.objects.in_bulk(list(api_key_ids))


def give_back(*, api_key_id: UUID, amount: int, charged_at: datetime) -> None:
    """What was refunded of a charge does not count; after the account's row, in its transaction."""
    if not connection.in_atomic_block:
        raise RuntimeError("what is given back needs its caller's transaction")
    sql.run("give_back", api_key_id=api_key_id, amount=amount, charged_at=charged_at)


def check(*, api_key_id: UUID, required: int) -> None:
    """Raise ``SpendingCapReachedProblem`` where the caps forbid it now; nothing is counted."""
    row = KeySpending.objects.get(pk=api_key_id)
    spent = {"credits_per_day": row.spent_on(timezone.now()), "credits_in_all": row.spent}
    for name in CAPS:
        cap = getattr(row, name)
        if cap is not None and spent[name] + required > cap:
            raise refusal(api_key_id=api_key_id, required=required)


def refusal(*, api_key_id: UUID, required: int) -> SpendingCapReachedProblem:
    """The problem, with the caps, and what is spent of them."""
    row, now = KeySpending.objects.get(pk=api_key_id), timezone.now()
    tomorrow = datetime.combine(now.astimezone(UTC).date() + timedelta(days=1), time(), UTC)
    return SpendingCapReachedProblem(
        required=required,
        credits_per_day=row.credits_per_day,
        credits_spent_today=row.spent_on(now),
        credits_in_all=row.credits_in_all,
        credits_spent=row.spent,
        day_ends_at=tomorrow.isoformat().replace("+00:00", "Z"),
    )
