"""What Redis tells at once, best effort: everybody who waits looks by themselves as well."""

import logging
import time
from collections.abc import Callable
from functools import cache

import redis
from django.conf import settings
from django.db import transaction

logger = logging.getLogger(__name__)

KEY = "auteur:wake"
TIMEOUT_SECONDS = 0.1
SIGNAL_EVERY_SECONDS = 0.01
"""Shortest time between two signals of a process: after one, the orchestrator soon looks again."""

AWAY_SECONDS = 1.0
"""After a failure, how long nothing more is tried."""

_last_signal = 0.0


class _Client:
    """Redis, left alone for a while after it has failed."""

    def __init__(self) -> None:
        self._redis = redis.Redis.from_url(
            settings.REDIS_URL,
            socket_timeout=TIMEOUT_SECONDS,
            socket_connect_timeout=TIMEOUT_SECONDS,
        )
        self._away_until = 0.0

    def tell(self, what: Callable[[redis.Redis], object]) -> None:
        if time.monotonic() < self._away_until:
            return
        try:
            what(self._redis)
        except redis.RedisError as exc:
            self._away_until = time.monotonic() + AWAY_SECONDS
            logger.warning("Redis was not told: %s", type(exc).__name__)


@cache
def _client() -> _Client:
    return _Client()


def wake_on_commit() -> None:
    """Wake an orchestrator when the present transaction commits; a signal may be lost."""
    transaction.on_commit(_send_signal)


def _send_signal() -> None:
    global _last_signal  # noqa: PLW0603 - of all threads; a race costs one signal too many
    if time.monotonic() - _last_signal < SIGNAL_EVERY_SECONDS:
        return
    _last_signal = time.monotonic()
    _client().tell(_wake)


def _wake(client: redis.Redis) -> None:
    with client.pipeline(transaction=False) as pipeline:
        pipeline.lpush(KEY, 1)
        pipeline.ltrim(KEY, 0, 0)
        pipeline.execute()


def publish_signal(channel: str, message: str) -> None:
    """Publish to whoever listens at this moment; a message may be lost."""
    _client().tell(lambda client: client.publish(channel, message))


class WakeSignal:
    """Waits for the signal, in the orchestrator."""

    def __init__(self) -> None:
        self._redis = redis.Redis.from_url(settings.REDIS_URL, socket_timeout=2.0)

    def wait(self, seconds: float) -> bool:
        """Whether a signal came within ``seconds``; raises ``redis.RedisError``."""
        return self._redis.blpop([KEY], timeout=seconds) is not None
