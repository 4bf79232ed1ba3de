"""One reader of the whole log for each process, who hands every event to those that wait for it.

Redis only wakes it: what is told stands in the log. Progress alone comes by Redis, and may be lost.
"""

import asyncio
import logging
from collections import OrderedDict, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from uuid import UUID

from django.conf import settings
from django.contrib.auth import get_user_model
from redis import asyncio as redis
from redis.exceptions import RedisError

from accounts.api_keys import keys
from auteur.api.problems import DATABASE_OUTAGES
from auteur.api.scopes import Scope
from auteur.live.messages import Entry, Progress, progress_of
from auteur.live.threads import Threads
from jobs.events import epochs, log
from jobs.progress import PROGRESS_CHANNEL

logger = logging.getLogger(__name__)

LOOK_SECONDS = 0.5
"""Longest time until the log is looked at when nobody wakes us."""
PROGRESS_SECONDS = 0.5
"""Shortest time between two messages of progress about a job."""
OUTAGE_PAUSE_SECONDS = 0.5
REDIS_SECONDS = 2.0
"""To connect; and how often a silent connection is asked whether it is there."""
EVENTS_AT_ONCE = 1000
"""Read from the log by one statement."""
REVOKE_SECONDS = 5.0
"""From one look at which users may still connect to the next."""
MAX_WAITING = 256
"""Events, and jobs with progress, that wait for one subscriber; it reads older ones in the log."""
ENDS_REMEMBERED = 10_000
"""Jobs of whose end a late message of progress must not follow."""


class Subscription:
    """What waits for one client: events of its user, and the newest progress by job.

    More than `MAX_WAITING` events are dropped: numbers have no gap, so the reader sees that some
    are missing, and reads them in the log.
    """

    def __init__(self, api_key_id: UUID | None = None) -> None:
        self.api_key_id = api_key_id
        self.is_closed = False
        self.is_revoked = False
        self.is_reset = False
        """The log was set back: what the client knows must be compared with it."""
        self._entries: list[Entry] = []  # thousands of these are empty: a deque never is
        self._progress: dict[UUID, Progress] = {}
        self._arrived = asyncio.Event()

    def add(self, entry: Entry) -> None:
        if len(self._entries) == MAX_WAITING:
            self._entries.clear()
        self._entries.append(entry)
        if entry.is_end:
            self._progress.pop(entry.job_id, None)
        self._arrived.set()

    def add_progress(self, progress: Progress) -> None:
        if len(self._progress) < MAX_WAITING or progress.job_id in self._progress:
            self._progress[progress.job_id] = progress
            self._arrived.set()

    def close(self) -> None:
        """Nothing more will come."""
        self.is_closed = True
        self._arrived.set()

    def reset(self) -> None:
        """Drop what waits: it is of a log that is gone."""
        self._entries.clear()
        self._progress.clear()
        self.is_reset = True
        self._arrived.set()

    def revoke(self) -> None:
        """Who listens may hear no more."""
        self.is_revoked = True
        self._arrived.set()

    async def next(self, seconds: float) -> Entry | Progress | None:
        """What comes next, events first; None when it is closed, or nothing came in time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._arrived.wait()
        found: Entry | Progress | None = None
        if self._entries:
            found = self._entries.pop(0)
        elif self._progress:
            found = self._progress.pop(next(iter(self._progress)))
        if not (self._entries or self._progress or self.is_closed):
            self._arrived.clear()
        return found


class Hub:
    """Follows the log from now on, and knows who waits."""

    def __init__(self) -> None:
        self._threads = Threads(1, "hub")
        self._subscriptions: defaultdict[UUID, set[Subscription]] = defaultdict(set)
        self._woken = asyncio.Event()
        self._position: int | None = None
        self._progress: dict[UUID, Progress] = {}
        self._ended: OrderedDict[UUID, None] = OrderedDict()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to follow, in tasks of the running loop."""
        work = (self._follow(), self._listen(), self._tell_progress(), self._revoke())
        self._tasks = [asyncio.create_task(each) for each in work]

    def stop(self) -> None:
        """Close all subscriptions."""
        for task in self._tasks:
            task.cancel()
        for subscription in [each for those in self._subscriptions.values() for each in those]:
            subscription.close()

    @property
    def is_ready(self) -> bool:
        """Whether it is known from where on the log is followed."""
        return self._position is not None

    @contextmanager
    def subscription(self, user_id: UUID, api_key_id: UUID | None = None) -> Iterator[Subscription]:
        """What happens to the user's jobs from now on, once we are ready.

        Whoever subscribes before reading the log misses nothing.
        """
        subscription = Subscription(api_key_id)
        self._subscriptions[user_id].add(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions[user_id].discard(subscription)
            if not self._subscriptions[user_id]:
                del self._subscriptions[user_id]

    def note_end(self, job_id: UUID) -> None:
        """No progress of this job shall be told any more."""
        self._progress.pop(job_id, None)
        self._ended[job_id] = None
        if len(self._ended) > ENDS_REMEMBERED:
            self._ended.popitem(last=False)

    async def _follow(self) -> None:
        is_behind = False
        while True:
            if not is_behind:
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_SECONDS if self._position is not None else 0):
                        await self._woken.wait()
            self._woken.clear()
            try:
                is_behind = await self._look()
            except DATABASE_OUTAGES as exc:
                logger.warning("the log cannot be read: %s", type(exc).__name__)
                await asyncio.sleep(OUTAGE_PAUSE_SECONDS)
            except Exception:
                logger.exception("a look at the log failed")
                await asyncio.sleep(OUTAGE_PAUSE_SECONDS)

    async def _look(self) -> bool:
        """Hand out what is new; whether there may be more."""
        if self._position is None:
            self._position = await self._threads.call(log.last_position)
        found = await self._threads.call(
            log.list_events_of_all, position=self._position, limit=EVENTS_AT_ONCE
        )
        for position, user_id, job_id, event in found:
            self._position = position
            entry = Entry(job_id, event)
            if entry.is_end:
                self.note_end(job_id)
            for subscription in self._subscriptions.get(user_id, ()):
                subscription.add(entry)
        if not found:
            end = await self._threads.call(epochs.log_end)
            if end < self._position:
                await self._start_anew(end)
        return len(found) == EVENTS_AT_ONCE

    async def _start_anew(self, end: int) -> None:
        """Follow a log that was set back: from its end on, with all clients compared with it."""
        seen, self._position = self._position or 0, end
        self._ended.clear()
        for subscription in [each for those in self._subscriptions.values() for each in those]:
            subscription.reset()
        await self._threads.call(epochs.report_log_behind, reader="live", seen=seen, end=end)

    async def _listen(self) -> None:
        while True:
            try:
                await self._hear()
            except (RedisError, OSError) as exc:
                logger.warning("nobody wakes us: %s", type(exc).__name__)
            except Exception:
                logger.exception("a message of Redis was not understood")
            await asyncio.sleep(OUTAGE_PAUSE_SECONDS)

    async def _hear(self) -> None:
        client = redis.Redis.from_url(
            settings.REDIS_URL,
            socket_timeout=REDIS_SECONDS,
            socket_connect_timeout=REDIS_SECONDS,
            health_check_interval=REDIS_SECONDS,
        )
        async with client, client.pubsub(ignore_subscribe_messages=True) as channels:
            await channels.subscribe(log.WAKE_CHANNEL, PROGRESS_CHANNEL)
            self._woken.set()
            while True:
                message = await channels.get_message(timeout=REDIS_SECONDS)
                if message is None:
                    continue
                if message["channel"] == PROGRESS_CHANNEL.encode():
                    self._keep(message["data"])
                else:
                    self._woken.set()

    def _keep(self, message: bytes) -> None:
        try:
            progress = progress_of(message)
        except (ValueError, KeyError, TypeError):
            logger.warning("a message of progress was not understood")
            return
        if progress.user_id in self._subscriptions and progress.job_id not in self._ended:
            self._progress[progress.job_id] = progress

    async def _tell_progress(self) -> None:
        """What came last of each job, at intervals: so nobody is told more often."""
        while True:
            await asyncio.sleep(PROGRESS_SECONDS)
            told, self._progress = self._progress, {}
            for progress in told.values():
                for subscription in self._subscriptions.get(progress.user_id, ()):
                    subscription.add_progress(progress)

    async def _revoke(self) -> None:
        while True:
            await asyncio.sleep(REVOKE_SECONDS)
            try:
                await self._revoke_once()
            except DATABASE_OUTAGES as exc:
                logger.warning("nobody knows who is still active: %s", type(exc).__name__)

    async def _revoke_once(self) -> None:
        for user_id in await self._threads.call(inactive_users, among=list(self._subscriptions)):
            for subscription in self._subscriptions.get(user_id, ()):
                subscription.revoke()
        by_key = [
            each for those in self._subscriptions.values() for each in those if each.api_key_id
        ]
        if not by_key:
            return
        key_ids = {each.api_key_id for each in by_key if each.api_key_id}
        good = await self._threads.call(keys.list_valid_keys, key_ids=key_ids, scope=Scope.READ)
        for subscription in by_key:
            if subscription.api_key_id not in good:
                subscription.revoke()


def inactive_users(*, among: list[UUID]) -> list[UUID]:
    """Whose tokens are no longer good, however long they are valid."""
    users = get_user_model().objects.filter(pk__in=among, is_active=False)
    return list(users.values_list("pk", flat=True))
