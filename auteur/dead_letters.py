"""The dead letters of Celery: messages that no worker can read, in a bounded list for staff.

A message only wakes a worker (docs/decisions/0002), so none of them is needed: the orchestrator
publishes again from the rows in PostgreSQL. The list is in the Redis of `REDIS_URL`, whichever
broker is used.
"""

import hashlib
import json
import logging
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cache

import redis
from django.conf import settings

logger = logging.getLogger(__name__)

KEY = "auteur:dead-letters"
MAX_LETTERS = 100
"""The list keeps the newest letters."""
MAX_CONTENT_BYTES = 4096
KEPT_FOR = timedelta(days=14)
"""How long the list lives after its last letter."""
TIMEOUT_SECONDS = 1.0


class Defect(StrEnum):
    """A reason why a message cannot be read."""

    NOT_A_MESSAGE = "not_a_message"
    """An element of a Redis queue that is no JSON, or not Celery's envelope."""
    UNKNOWN_TASK = "unknown_task"
    BAD_BODY = "bad_body"
    """Its arguments are not ids, as those of our tasks are."""
    REFUSED = "refused"
    """Celery cannot handle it."""


@dataclass(frozen=True)
class DeadLetter:
    """One unreadable message, with the beginning of its content."""

    at: datetime
    queue: str
    defect: Defect
    content: str
    size_bytes: int


def store_dead_letter(*, queue: str, defect: Defect, content: bytes) -> None:
    """Store an unreadable message, and log it without its content. Raise nothing."""
    digest = hashlib.sha256(content).hexdigest()[:12]
    logger.error(
        "a message of the queue %s cannot be read (%s, %d bytes, SHA-256 %s) and is set aside; "
        "`manage.py dead_letters` shows it",
        queue,
        defect,
        len(content),
        digest,
    )
    text = content[:MAX_CONTENT_BYTES].decode(errors="replace")
    letter = DeadLetter(datetime.now(UTC), queue, defect, text, len(content))
    try:
        with _get_client().pipeline() as pipeline:
            pipeline.lpush(KEY, json.dumps(asdict(letter), default=str))
            pipeline.ltrim(KEY, 0, MAX_LETTERS - 1)
            pipeline.expire(KEY, KEPT_FOR)
            pipeline.execute()
    except redis.RedisError as exc:
        logger.warning("the message with SHA-256 %s is lost: %s", digest, type(exc).__name__)


def list_dead_letters() -> list[DeadLetter]:
    """Return the stored letters, newest first. Raise ``redis.RedisError`` if Redis is away."""
    return [_parse_letter(element) for element in _get_client().lrange(KEY, 0, -1)]


def count_dead_letters() -> int:
    """Return how many letters are stored. Raise ``redis.RedisError`` if Redis is away."""
    return int(_get_client().llen(KEY))


def delete_dead_letters() -> int:
    """Delete all letters. Return how many there were."""
    with _get_client().pipeline() as pipeline:
        pipeline.llen(KEY)
        pipeline.delete(KEY)
        return int(pipeline.execute()[0])


def _parse_letter(element: bytes | str) -> DeadLetter:
    fields = json.loads(element)
    return DeadLetter(
        at=datetime.fromisoformat(fields["at"]),
        queue=fields["queue"],
        defect=Defect(fields["defect"]),
        content=fields["content"],
        size_bytes=fields["size_bytes"],
    )


@cache
def _get_client() -> redis.Redis:
    return redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=TIMEOUT_SECONDS, socket_connect_timeout=TIMEOUT_SECONDS
    )
