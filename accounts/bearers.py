"""Reading the user of a request, with their plan, by one statement per request.

Nothing is cached. So a closed account, a changed plan and a revoked key take effect immediately.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from accounts.models import IN_FORCE, User
from auteur.core.database import columns, execute_first, instance

SELECTED = f"""{columns(User, "users")},
       (SELECT plan FROM subscriptions WHERE user_id = users.id AND {IN_FORCE})"""  # noqa: S608
"""The columns of ``users`` that `user_from_row` takes."""
_BY_ID = f"SELECT {SELECTED} FROM users WHERE id = %(user_id)s"  # noqa: S608


def user_from_row(row: Sequence[Any]) -> User:
    """Return the user of a row of `SELECTED`, with the plan in force."""
    *columns_of_user, plan = row
    user = instance(User, columns_of_user)
    user.plan_at_request = plan
    return user


def find_user(user_id: UUID) -> User | None:
    """Return the user with this id, or None."""
    rows = execute_first(_BY_ID, {"user_id": user_id})
    return user_from_row(rows[0]) if rows else None
