"""Wake the workers for media: checks, then thumbnails and waveforms (docs/decisions/0015)."""

from auteur.core.work import broker, leases
from media.tasks import WORK, Work

MAX_WAITING = 4
"""Messages in a queue. Further due rows wait in PostgreSQL, where users take turns."""


def wake_media() -> int:
    """Requeue the rows of lost workers and publish the due rows; return how many there were.

    Raises one of ``BROKER_OUTAGES`` if the broker does not answer; nothing is published then.
    """
    return sum(_wake_queue(work) for work in WORK)


def _wake_queue(work: Work) -> int:
    lost_count = work.leases.expire()
    row_ids = work.leases.select_due(_count_free_capacity(work))
    leases.wake_rows(work.queue, {row_id: {"queue": work.queue} for row_id in row_ids})
    return lost_count + len(row_ids)


def _count_free_capacity(work: Work) -> int:
    message_count = broker.count_messages([work.queue])[work.queue]
    at_once = work.at_once()
    if at_once is None:
        return MAX_WAITING - message_count
    # Either each claim has its own holder, or one process holds several rows (imports).
    holders = work.leases.list_claimed_rows().values(work.leases.holder).distinct().count()
    return min(MAX_WAITING, at_once - holders) - message_count
