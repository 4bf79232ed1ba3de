"""Whose request it is, as it stands in the database: read anew for each request, by one statement.

So a closed account, another plan and a revoked key count at once.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from accounts.models import IN_FORCE, User
from auteur.database import columns, execute_first, instance

SELECTED = f"""{columns(User, "users")},
       (SELECT plan FROM subscriptions WHERE user_id = users.id AND {IN_FORCE})"""  # noqa: S608
"""Of ``users``, what `user_from_row` takes."""
_BY_ID = f"SELECT {SELECTED} FROM users WHERE id = %(user_id)s"  # noqa: S608


def user_from_row(selected: Sequence[Any]) -> User:
    """The user with the plan that is in force."""
    *row, plan = selected
    user = instance(User, row)
    user.plan_at_request = plan
    return user


def find_user(user_id: UUID) -> User | None:
    """The user of that id, if there is one."""
    rows = execute_first(_BY_ID, {"user_id": user_id})
    return user_from_row(rows[0]) if rows else None
