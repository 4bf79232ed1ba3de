"""Waking those who look at media: checks, then pictures and waveforms (docs/decisions/0015)."""

import logging

from kombu.exceptions import OperationalError as BrokerError
from redis.exceptions import RedisError

from jobs import publishing
from media.tasks import WORK, Work

logger = logging.getLogger(__name__)

MAX_WAITING = 4
"""Messages in a queue; what else is due waits in Postgres, where turns are fair."""


def wake_media() -> int:
    """Take back what lost workers held and publish what is due; returns how many there were.

    Raises ``RedisError`` where the broker is away; nothing is published then.
    """
    return sum(_wake(work) for work in WORK)


def _wake(work: Work) -> int:
    lost = work.line.take_back_lost()
    due = work.line.take_due(_room(work))
    for row_id in due:
        try:
            work.task.apply_async((str(row_id),), queue=work.queue)
        except (BrokerError, RedisError) as exc:
            logger.warning("broker away, media will be sent again: %s", type(exc).__name__)
            break
    return lost + len(due)


def _room(work: Work) -> int:
    waiting = publishing.waiting_in(work.queue)
    at_once = work.at_once()
    if at_once is None:
        return MAX_WAITING - waiting
    return min(MAX_WAITING, at_once - work.line.claimed().count()) - waiting
