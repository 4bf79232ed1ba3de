"""Messages that no worker of ours can read: set aside in a bounded list, to be looked at.

A message only wakes a worker (docs/decisions/0002), so none of them is needed: what stands in
Postgres is sent again. The list is in the Redis of `REDIS_URL`, whichever the broker is.
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
"""The newest are kept."""
MAX_CONTENT_BYTES = 4096
KEPT_FOR = timedelta(days=14)
"""Since the last one."""
TIMEOUT_SECONDS = 1.0


class Defect(StrEnum):
    """Why a message cannot be read."""

    NOT_A_MESSAGE = "not_a_message"
    """An element of a Redis queue that is no JSON, or not Celery's envelope."""
    UNKNOWN_TASK = "unknown_task"
    BAD_BODY = "bad_body"
    """Its arguments are not those of a task of ours: ids."""
    REFUSED = "refused"
    """Celery cannot handle it."""


@dataclass(frozen=True)
class DeadLetter:
    """One message, with the beginning of what it contained."""

    at: datetime
    queue: str
    defect: Defect
    content: str
    size_bytes: int


def store_dead_letter(*, queue: str, defect: Defect, content: bytes) -> None:
    """Keep a message that cannot be read, and log that, without its content. Raise nothing."""
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
        with _client().pipeline() as pipeline:
            pipeline.lpush(KEY, json.dumps(asdict(letter), default=str))
            pipeline.ltrim(KEY, 0, MAX_LETTERS - 1)
            pipeline.expire(KEY, KEPT_FOR)
            pipeline.execute()
    except redis.RedisError as exc:
        logger.warning("the message with SHA-256 %s is lost: %s", digest, type(exc).__name__)


def list_dead_letters() -> list[DeadLetter]:
    """Return the letters that are kept, the newest first; raise ``redis.RedisError``."""
    return [_parse(element) for element in _client().lrange(KEY, 0, -1)]


def count_dead_letters() -> int:
    """Return how many letters are kept; raise ``redis.RedisError``."""
    return int(_client().llen(KEY))


def delete_dead_letters() -> int:
    """Delete all letters; return how many there were."""
    with _client().pipeline() as pipeline:
        pipeline.llen(KEY)
        pipeline.delete(KEY)
        return int(pipeline.execute()[0])


def _parse(element: bytes | str) -> DeadLetter:
    fields = json.loads(element)
    return DeadLetter(
        at=datetime.fromisoformat(fields["at"]),
        queue=fields["queue"],
        defect=Defect(fields["defect"]),
        content=fields["content"],
        size_bytes=fields["size_bytes"],
    )


@cache
def _client() -> redis.Redis:
    return redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=TIMEOUT_SECONDS, socket_connect_timeout=TIMEOUT_SECONDS
    )
