"""What Redis tells a publisher: that there are events, and what running jobs say of themselves.

Any of it may be lost: events stand in the log, and of a job's progress the newest is enough.
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
"""Whose progress waits to be published; that of further ones is dropped."""
LISTEN_SECONDS = 2.0
"""To connect; and how often a silent connection is asked whether it is there."""
OUTAGE_PAUSE_SECONDS = 1.0


class Inbox:
    """Listens in a thread of its own."""

    def __init__(self) -> None:
        self._woken = threading.Event()
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._progress: dict[str, bytes] = {}

    def start(self) -> None:
        """Begin to listen, until `stop`."""
        threading.Thread(target=self._listen, name="inbox", daemon=True).start()

    def stop(self) -> None:
        """Listen no more, and let whoever waits go on."""
        self._stop.set()
        self._woken.set()

    def wait(self, seconds: float) -> None:
        """Return when there may be events, or after that time."""
        self._woken.wait(seconds)
        if not self._stop.is_set():
            self._woken.clear()

    def take_progress(self) -> list[bytes]:
        """The newest message of each job since the last call, as they came."""
        with self._lock:
            taken, self._progress = self._progress, {}
        return list(taken.values())

    def _listen(self) -> None:
        is_away = False
        while not self._stop.is_set():
            try:
                self._hear()
            except (redis.RedisError, OSError) as exc:
                if not is_away:
                    logger.warning("nobody wakes us: %s", type(exc).__name__)
                is_away = True
                self._stop.wait(OUTAGE_PAUSE_SECONDS)
            else:
                is_away = False

    def _hear(self) -> None:
        """Listen until told to stop; raises what Redis raises."""
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
                    self._woken.set()

    def keep(self, message: bytes) -> None:
        """The newest of its job, as long as there is room."""
        try:
            job_id = str(json.loads(message)["job_id"])
        except (ValueError, KeyError, TypeError):
            logger.warning("a message of progress was not understood")
            return
        with self._lock:
            if job_id in self._progress or len(self._progress) < MAX_JOBS:
                self._progress[job_id] = message
