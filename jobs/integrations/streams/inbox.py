"""Receive from Redis what a publisher needs: wake-ups, and the progress of running jobs.

Any message may be lost: events are in the event log, and of a job's progress the newest is enough.
"""

import json
import logging
import threading

import redis
from django.conf import settings

from jobs.events.log import WAKE_CHANNEL
from jobs.progress import PROGRESS_CHANNEL

logger = logging.getLogger(__name__)

MAX_JOBS = 1000
"""How many jobs' progress waits to be published. The progress of further jobs is dropped."""
LISTEN_SECONDS = 2.0
"""The timeout of connecting, and the interval of health checks of a silent connection."""
OUTAGE_PAUSE_SECONDS = 1.0


class Inbox:
    """A listener to Redis with a thread of its own."""

    def __init__(self) -> None:
        self._wake_up = threading.Event()
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._progress: dict[str, bytes] = {}

    def start(self) -> None:
        """Start listening, until `stop`."""
        threading.Thread(target=self._listen, name="inbox", daemon=True).start()

    def stop(self) -> None:
        """Stop listening, and end every `wait`."""
        self._stop.set()
        self._wake_up.set()

    def wait(self, seconds: float) -> None:
        """Wait for a wake-up, at most for the given time."""
        self._wake_up.wait(seconds)
        if not self._stop.is_set():
            self._wake_up.clear()

    def take_progress(self) -> list[bytes]:
        """Return the newest message of each job since the last call, in order of arrival."""
        with self._lock:
            messages, self._progress = self._progress, {}
        return list(messages.values())

    def _listen(self) -> None:
        is_away = False
        while not self._stop.is_set():
            try:
                self._receive_messages()
            except (redis.RedisError, OSError) as exc:
                if not is_away:
                    logger.warning("nobody wakes us: %s", type(exc).__name__)
                is_away = True
                self._stop.wait(OUTAGE_PAUSE_SECONDS)
            else:
                is_away = False

    def _receive_messages(self) -> None:
        """Receive messages until told to stop. Raise Redis' errors."""
        client = redis.Redis.from_url(
            settings.REDIS_URL,
            socket_timeout=LISTEN_SECONDS,
            socket_connect_timeout=LISTEN_SECONDS,
            health_check_interval=LISTEN_SECONDS,
        )
        with client, client.pubsub(ignore_subscribe_messages=True) as channels:
            channels.subscribe(WAKE_CHANNEL, PROGRESS_CHANNEL)
            while not self._stop.is_set():
                message = channels.get_message(timeout=LISTEN_SECONDS)
                if message is None:
                    continue
                if message["channel"] == PROGRESS_CHANNEL.encode():
                    self.keep(message["data"])
                else:
                    self._wake_up.set()

    def keep(self, message: bytes) -> None:
        """Store a message as the newest of its job, unless too many jobs wait."""
        try:
            job_id = str(json.loads(message)["job_id"])
        except (ValueError, KeyError, TypeError):
            logger.warning("a message of progress was not understood")
            return
        with self._lock:
            if job_id in self._progress or len(self._progress) < MAX_JOBS:
                self._progress[job_id] = message
