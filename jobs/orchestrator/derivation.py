"""Waking those who make pictures and waveforms of media (docs/decisions/0012)."""

import logging

from kombu.exceptions import OperationalError as BrokerError
from redis.exceptions import RedisError

from jobs import publishing
from media import tasks
from media.derivation import states

logger = logging.getLogger(__name__)

MAX_WAITING = 16
"""Messages in the queue; what else is due waits in Postgres."""


def derive() -> int:
    """Take back what lost workers held and publish what is due; returns how many there were.

    Raises ``RedisError`` where the broker is away; nothing is published then.
    """
    lost = states.take_back_lost()
    room = MAX_WAITING - publishing.waiting_in(tasks.DERIVE)
    due = states.take_due(room)
    for media_id in due:
        try:
            tasks.derive.apply_async((str(media_id),), queue=tasks.DERIVE)
        except (BrokerError, RedisError) as exc:
            logger.warning("broker away, media will be sent again: %s", type(exc).__name__)
            break
    return lost + len(due)
