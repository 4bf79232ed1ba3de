"""Wake-ups for the work on media: checks, then thumbnails and waveforms (docs/decisions/0015)."""

from auteur import broker, leases
from media.tasks import WORK, Work

MAX_WAITING = 4
"""Messages in a queue; what else is due waits in Postgres, where users take turns."""


def wake_media() -> int:
    """Requeue what lost workers held and publish what is due; returns how many there were.

    Raises one of ``BROKER_OUTAGES`` where the broker is away; nothing is published then.
    """
    return sum(_wake(work) for work in WORK)


def _wake(work: Work) -> int:
    lost = work.leases.expire()
    due = work.leases.take_due(_room(work))
    leases.wake_rows(work.queue, {row_id: {"queue": work.queue} for row_id in due})
    return lost + len(due)


def _room(work: Work) -> int:
    waiting = broker.count_messages([work.queue])[work.queue]
    at_once = work.at_once()
    if at_once is None:
        return MAX_WAITING - waiting
    # A holder is a claim's own, or a process that has several rows (imports).
    holders = work.leases.held_rows().values(work.leases.holder).distinct().count()
    return min(MAX_WAITING, at_once - holders) - waiting
