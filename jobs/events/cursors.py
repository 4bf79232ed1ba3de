"""How far the readers of the whole log are, each in a row that it locks while it works."""

from jobs import sql
from jobs.models import EventCursor

NUMBERING = "numbering"
"""The reader of the outbox, whose position is the last that was given."""


def get_position(reader: str) -> int:
    """How far it is; asking costs no lock, which would be written to disk."""
    found = EventCursor.objects.filter(name=reader).values_list("position", flat=True).first()
    return found or 0


def lock_cursor(reader: str) -> int | None:
    """How far it is, nobody else being it until the transaction ends; None: somebody is."""
    locked = sql.run("lock_event_cursor", reader=reader)
    if not locked:
        EventCursor.objects.bulk_create([EventCursor(name=reader)], ignore_conflicts=True)
        locked = sql.run("lock_event_cursor", reader=reader)
    return locked[0][0] if locked else None


def move_cursor(reader: str, position: int) -> None:
    """It is so far now; it has its lock."""
    EventCursor.objects.filter(name=reader).update(position=position)
