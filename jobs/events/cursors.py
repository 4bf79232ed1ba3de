"""Read and move the cursors of the event log's readers, each in a row that its reader locks."""

from jobs import sql
from jobs.models import EventCursor

NUMBERING = "numbering"
"""The reader of the outbox. Its position is the last that was assigned."""


def get_position(reader: str) -> int:
    """Return the reader's position without a lock, which would be written to disk."""
    position = EventCursor.objects.filter(name=reader).values_list("position", flat=True).first()
    return position or 0


def lock_cursor(reader: str) -> int | None:
    """Lock the reader's cursor until the transaction ends, and return its position.

    Return None if another process has the lock.
    """
    rows = sql.run("lock_event_cursor", reader=reader)
    if not rows:
        EventCursor.objects.bulk_create([EventCursor(name=reader)], ignore_conflicts=True)
        rows = sql.run("lock_event_cursor", reader=reader)
    return rows[0][0] if rows else None


def move_cursor(reader: str, position: int) -> None:
    """Store the reader's new position; the caller has locked the cursor."""
    EventCursor.objects.filter(name=reader).update(position=position)
