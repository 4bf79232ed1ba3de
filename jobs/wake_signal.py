"""Send signals through Redis, best effort: every waiting process also polls."""

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
"""Shortest time between two signals of a process. After one, the orchestrator soon looks again."""

AWAY_SECONDS = 1.0
"""Pause after a failure without further tries."""

_last_signal = 0.0


class _Client:
    """A Redis client that pauses after a failure."""

    def __init__(self) -> None:
        self._redis = redis.Redis.from_url(
            settings.REDIS_URL,
            socket_timeout=TIMEOUT_SECONDS,
            socket_connect_timeout=TIMEOUT_SECONDS,
        )
        self._away_until = 0.0

    def send(self, command: Callable[[redis.Redis], object]) -> None:
        if time.monotonic() < self._away_until:
            return
        try:
            command(self._redis)
        except redis.RedisError as exc:
            self._away_until = time.monotonic() + AWAY_SECONDS
            logger.warning("the signal was not sent through Redis: %s", type(exc).__name__)


@cache
def _get_client() -> _Client:
    return _Client()


def wake_on_commit() -> None:
    """Wake an orchestrator when the current transaction commits; a signal may be lost."""
    transaction.on_commit(_send_signal)


def _send_signal() -> None:
    global _last_signal  # noqa: PLW0603 - of all threads; a race costs one signal too many
    if time.monotonic() - _last_signal < SIGNAL_EVERY_SECONDS:
        return
    _last_signal = time.monotonic()
    _get_client().send(_push_wake_up)


def _push_wake_up(client: redis.Redis) -> None:
    with client.pipeline(transaction=False) as pipeline:
        pipeline.lpush(KEY, 1)
        pipeline.ltrim(KEY, 0, 0)
        pipeline.execute()


def publish_signal(channel: str, message: str) -> None:
    """Publish to the current listeners; a message may be lost."""
    _get_client().send(lambda client: client.publish(channel, message))


class WakeSignal:
    """The receiver of wake signals in the orchestrator."""

    def __init__(self) -> None:
        self._redis = redis.Redis.from_url(settings.REDIS_URL, socket_timeout=2.0)

    def wait(self, seconds: float) -> bool:
        """Return True if a signal came within ``seconds``; raise ``redis.RedisError``."""
        return self._redis.blpop([KEY], timeout=seconds) is not None
