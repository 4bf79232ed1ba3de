"""What Redis tells at once, best effort: everybody who waits looks by themselves as well."""

import logging
import time
from functools import cache

import redis
from django.conf import settings
from django.db import transaction

logger = logging.getLogger(__name__)

KEY = "auteur:wake"
TIMEOUT_SECONDS = 0.1
SIGNAL_EVERY_SECONDS = 0.02
"""Shortest time between two signals: the round that one began has not ended sooner."""

_last_signal = 0.0


@cache
def _client() -> redis.Redis:
    return redis.Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=TIMEOUT_SECONDS,
        socket_connect_timeout=TIMEOUT_SECONDS,
    )


def wake_on_commit() -> None:
    """Wake an orchestrator when the present transaction commits; a signal may be lost."""
    transaction.on_commit(_send_signal)


def _send_signal() -> None:
    global _last_signal  # noqa: PLW0603 - of all threads; a race costs one signal too many
    if time.monotonic() - _last_signal < SIGNAL_EVERY_SECONDS:
        return
    _last_signal = time.monotonic()
    try:
        with _client().pipeline(transaction=False) as pipeline:
            pipeline.lpush(KEY, 1)
            pipeline.ltrim(KEY, 0, 0)
            pipeline.execute()
    except redis.RedisError as exc:
        logger.warning("orchestrator not woken: %s", type(exc).__name__)


def announce(channel: str, message: str) -> None:
    """Publish to whoever listens at this moment; a message may be lost."""
    try:
        _client().publish(channel, message)
    except redis.RedisError as exc:
        logger.warning("nothing announced on %s: %s", channel, type(exc).__name__)


class WakeSignal:
    """Waits for the signal, in the orchestrator."""

    def __init__(self) -> None:
        self._redis = redis.Redis.from_url(settings.REDIS_URL, socket_timeout=2.0)

    def wait(self, seconds: float) -> bool:
        """Whether a signal came within ``seconds``; raises ``redis.RedisError``."""
        return self._redis.blpop([KEY], timeout=seconds) is not None
