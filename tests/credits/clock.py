"""Time for grants: it passes by moving what they are written down with."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction

MOVES = (  # the account first, as every movement
    """
    UPDATE credits SET grant_expires_at = ARRAY(
        SELECT expires_at - %(by)s
        FROM unnest(grant_expires_at) WITH ORDINALITY AS open (expires_at, n)
        ORDER BY n
    ) WHERE user_id = %(user_id)s""",
    "UPDATE credit_grants SET expires_at = expires_at - %(by)s WHERE user_id = %(user_id)s",
    # Another day has another refund grant.
    "UPDATE credit_grants SET source = concat(source, ' ', id)"
    " WHERE kind = 'refund' AND source NOT LIKE '%% %%' AND user_id = %(user_id)s",
)


def pass_time(user_id: UUID, by: timedelta) -> None:
    """All grants of the user expire that much earlier."""
    values: dict[str, Any] = {"user_id": user_id, "by": by}
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")  # no triggers
        for move in MOVES:
            cursor.execute(move, values)
        cursor.execute("SET LOCAL session_replication_role = origin")
