"""The broker as workers see it: messages taken in any order, doubled and lost; Redis away and back.

Messages go through the real Redis. A test takes the place of the workers' main process.
"""

import base64
import contextlib
import json
import uuid
from typing import Any

import redis
from celery import current_app
from celery.app.trace import build_tracer
from celery.canvas import signature
from django.conf import settings
from kombu.exceptions import OperationalError as BrokerError

from auteur.core.work import broker
from jobs import wake_signal
from jobs.publishing import step_queues

AWAY = "redis://127.0.0.1:1/0"


class Broker:
    """The queues of the steps."""

    def __init__(self) -> None:
        self._url = settings.REDIS_URL
        self._redis = redis.Redis.from_url(self._url)

    def go_away(self) -> None:
        """Let nobody of ours reach Redis any more."""
        self.lead_to(AWAY)

    def come_back(self) -> None:
        """Let all reach it again, with what it held."""
        self.lead_to(self._url)

    @staticmethod
    def lead_to(url: str) -> None:
        """Let all reach another server in its place."""
        settings.REDIS_URL = settings.BROKER_URL = url
        wake_signal._get_client.cache_clear()
        broker._get_client.cache_clear()
        current_app.conf.broker_write_url = url  # type: ignore[misc]  # the stub is too strict
        current_app._pool = current_app.amqp._producer_pool = None

    def lose(self, queue: str) -> None:
        """Lose all messages of one queue."""
        self._redis.delete(queue)

    def flush(self) -> None:
        """Lose everything."""
        self._redis.flushdb()

    def put(self, queue: str) -> None:
        """A message more, that nobody reads."""
        self._redis.lpush(queue, "{}")

    def waiting(self) -> list[tuple[str, Any]]:
        """Every message with its queue."""
        return [(queue, raw) for queue in step_queues() for raw in self._redis.lrange(queue, 0, -1)]

    def take(self, place: int) -> tuple[str, Any] | None:
        """Remove one of the messages, if there is any and no other thread was faster."""
        waiting = self.waiting()
        if not waiting:
            return None
        queue, raw = waiting[place % len(waiting)]
        return (queue, raw) if self._redis.lrem(queue, 1, raw) else None

    def double(self, place: int) -> None:
        """Put one of the messages in once more."""
        if message := self.take(place):
            self._redis.lpush(message[0], message[1], message[1])

    def read(self, place: int) -> tuple[str, list[Any], list[Any]] | None:
        """Take one of the messages: its task's name, its arguments, what follows in its chain."""
        message = self.take(place)
        if message is None:
            return None
        body = json.loads(message[1])
        args, _, embedded = json.loads(base64.b64decode(body["body"]))
        return body["headers"]["task"], args, embedded.get("chain") or []

    def deliver(self, place: int, *, goes_on: bool = True) -> bool:
        """Run the task of one of the messages as a worker does, and publish what follows it.

        Whoever does not go on leaves the next step of the chain to its own message.
        """
        message = self.read(place)
        if message is None:
            return False
        name, args, chain = message
        task = current_app.tasks[name]
        tracer = build_tracer(name, task, app=current_app, eager=True, propagate=False)
        task_id = uuid.uuid4().hex
        request = {"id": task_id, "root_id": task_id, "task": name, "is_eager": True}
        request |= {"delivery_info": {}, "chain": chain if goes_on else None}
        result = tracer(task_id, args, {}, request)
        if result.info is None and chain and not goes_on:
            following = signature(chain.pop(), app=current_app)
            with contextlib.suppress(BrokerError, redis.RedisError):  # a message lost
                following.apply_async(chain=chain)
        return True
