"""A best-effort nudge to the orchestrator, so that it need not wait for its next poll."""

import logging
import time
from functools import cache

import redis
from django.conf import settings
from django.db import transaction

logger = logging.getLogger(__name__)

KEY = "auteur:wake"
TIMEOUT_SECONDS = 0.1
NUDGE_EVERY_SECONDS = 0.02
"""Sooner than this after another, a nudge is spared: the round that one began is still to end."""

_last_nudge = 0.0


@cache
def _client() -> redis.Redis:
    return redis.Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=TIMEOUT_SECONDS,
        socket_connect_timeout=TIMEOUT_SECONDS,
    )


def nudge_on_commit() -> None:
    """Wake an orchestrator when the present transaction is committed; losing this is harmless."""
    transaction.on_commit(_nudge)


def _nudge() -> None:
    global _last_nudge  # noqa: PLW0603 - of all threads; a race costs one nudge too many
    if time.monotonic() - _last_nudge < NUDGE_EVERY_SECONDS:
        return
    _last_nudge = time.monotonic()
    try:
        with _client().pipeline(transaction=False) as pipeline:
            pipeline.lpush(KEY, 1)
            pipeline.ltrim(KEY, 0, 0)
            pipeline.execute()
    except redis.RedisError as exc:
        logger.warning("orchestrator not nudged: %s", type(exc).__name__)


class WakeSignal:
    """The orchestrator's end: wait for a nudge, but never longer than a poll interval."""

    def __init__(self) -> None:
        self._redis = redis.Redis.from_url(settings.REDIS_URL, socket_timeout=2.0)

    def wait(self, seconds: float) -> bool:
        """Whether somebody nudged within ``seconds``; raises ``redis.RedisError``."""
        return self._redis.blpop([KEY], timeout=seconds) is not None
