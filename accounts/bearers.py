"""Reading the user of a request, with their plan, by one statement per request.

Nothing is cached. So a closed account, a changed plan and a revoked key take effect immediately.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from accounts.models import IN_FORCE, User
from auteur.core.database import build_instance, execute_first, format_columns

USER_COLUMNS = f"""{format_columns(User, "users")},
       (SELECT plan FROM subscriptions WHERE user_id = users.id AND {IN_FORCE})"""  # noqa: S608
"""The columns of ``users`` that `build_user` takes."""
_BY_ID = f"SELECT {USER_COLUMNS} FROM users WHERE id = %(user_id)s"  # noqa: S608


def build_user(row: Sequence[Any]) -> User:
    """Return the user of a row of `USER_COLUMNS`, with the plan in force."""
    *columns_of_user, plan = row
    user = build_instance(User, columns_of_user)
    user.plan_at_request = plan
    return user


def find_user(user_id: UUID) -> User | None:
    """Return the user with this id, or None."""
    rows = execute_first(_BY_ID, {"user_id": user_id})
    return build_user(rows[0]) if rows else None
