"""One reader of the whole event log for each process, which hands events to their subscribers.

Redis only wakes it: all events come from the log. Only progress comes through Redis, and may be
lost.
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
from auteur.core.api.problems import DATABASE_OUTAGES
from auteur.core.api.scopes import Scope
from auteur.live.messages import Entry, Progress, parse_progress
from auteur.live.threads import Threads
from jobs.events import epochs, log
from jobs.progress import PROGRESS_CHANNEL

logger = logging.getLogger(__name__)

LOOK_SECONDS = 0.5
"""The longest time between two reads of the log without a wake-up."""
PROGRESS_SECONDS = 0.5
"""The shortest time between two messages of progress about a job."""
OUTAGE_PAUSE_SECONDS = 0.5
REDIS_SECONDS = 2.0
"""The time limit of connecting, and the interval of health checks of a silent connection."""
EVENTS_AT_ONCE = 1000
"""How many events one statement reads from the log."""
REVOKE_SECONDS = 5.0
"""The time between two checks of which users may still be connected."""
MAX_WAITING = 256
"""The most events, and jobs with progress, that wait for a subscriber. The log has older events."""
MAX_REMEMBERED_ENDS = 10_000
"""How many ended jobs are remembered, whose late progress is dropped."""


class Subscription:
    """The items that wait for one client: events of its user, and the newest progress by job.

    If more than `MAX_WAITING` events wait, all are dropped. Numbers have no gap, so the reader
    notices and reads the missing events in the log.
    """

    def __init__(self, api_key_id: UUID | None = None) -> None:
        self.api_key_id = api_key_id
        self.is_closed = False
        self.is_revoked = False
        self.is_reset = False
        """True if the log was set back, so the client's position must be compared with it."""
        self._entries: list[Entry] = []  # An empty list is small, unlike an empty deque.
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
        """End the subscription. Nothing more will come."""
        self.is_closed = True
        self._arrived.set()

    def reset(self) -> None:
        """Drop waiting items, which belong to a log that is gone."""
        self._entries.clear()
        self._progress.clear()
        self.is_reset = True
        self._arrived.set()

    def revoke(self) -> None:
        """Mark that the client may receive nothing more."""
        self.is_revoked = True
        self._arrived.set()

    async def next(self, seconds: float) -> Entry | Progress | None:
        """Return the next item, events first. None if it is closed, or nothing came in time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._arrived.wait()
        item: Entry | Progress | None = None
        if self._entries:
            item = self._entries.pop(0)
        elif self._progress:
            item = self._progress.pop(next(iter(self._progress)))
        if not (self._entries or self._progress or self.is_closed):
            self._arrived.clear()
        return item


class Hub:
    """A reader that follows the log from now on, and knows the subscribers."""

    def __init__(self) -> None:
        self._threads = Threads(1, "hub")
        self._subscriptions: defaultdict[UUID, set[Subscription]] = defaultdict(set)
        self._woken = asyncio.Event()
        self._position: int | None = None
        self._progress: dict[UUID, Progress] = {}
        self._ended: OrderedDict[UUID, None] = OrderedDict()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Start to follow, in tasks of the running loop."""
        coroutines = (
            self._follow_log(),
            self._listen_to_redis(),
            self._publish_progress(),
            self._revoke_regularly(),
        )
        self._tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]

    def stop(self) -> None:
        """Close all subscriptions."""
        for task in self._tasks:
            task.cancel()
        for subscription in self._list_subscriptions():
            subscription.close()

    @property
    def is_ready(self) -> bool:
        """Return True if the position from which the log is followed is known."""
        return self._position is not None

    @contextmanager
    def subscribe(self, user_id: UUID, api_key_id: UUID | None = None) -> Iterator[Subscription]:
        """Subscribe to the user's events from now on, once the hub is ready.

        Subscribe before reading the log, so that no event is missed.
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
        """Drop this job's progress from now on."""
        self._progress.pop(job_id, None)
        self._ended[job_id] = None
        if len(self._ended) > MAX_REMEMBERED_ENDS:
            self._ended.popitem(last=False)

    def _list_subscriptions(self) -> list[Subscription]:
        return [
            subscription
            for subscriptions in self._subscriptions.values()
            for subscription in subscriptions
        ]

    async def _follow_log(self) -> None:
        is_behind = False
        while True:
            if not is_behind:
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_SECONDS if self._position is not None else 0):
                        await self._woken.wait()
            self._woken.clear()
            try:
                is_behind = await self._read_log()
            except DATABASE_OUTAGES as exc:
                logger.warning("the log cannot be read: %s", type(exc).__name__)
                await asyncio.sleep(OUTAGE_PAUSE_SECONDS)
            except Exception:
                logger.exception("a look at the log failed")
                await asyncio.sleep(OUTAGE_PAUSE_SECONDS)

    async def _read_log(self) -> bool:
        """Send new events to subscribers. Return True if there may be more."""
        if self._position is None:
            self._position = await self._threads.call(log.get_last_position)
        rows = await self._threads.call(
            log.list_events_of_all, position=self._position, limit=EVENTS_AT_ONCE
        )
        for position, user_id, job_id, event in rows:
            self._position = position
            entry = Entry(job_id, event)
            if entry.is_end:
                self.note_end(job_id)
            for subscription in self._subscriptions.get(user_id, ()):
                subscription.add(entry)
        if not rows:
            end = await self._threads.call(epochs.get_log_end)
            if end < self._position:
                await self._restart_at(end)
        return len(rows) == EVENTS_AT_ONCE

    async def _restart_at(self, end: int) -> None:
        """Follow a log that was set back from its end on, and reset all subscriptions."""
        position, self._position = self._position or 0, end
        self._ended.clear()
        for subscription in self._list_subscriptions():
            subscription.reset()
        await self._threads.call(epochs.report_log_behind, reader="live", seen=position, end=end)

    async def _listen_to_redis(self) -> None:
        while True:
            try:
                await self._receive_messages()
            except (RedisError, OSError) as exc:
                logger.warning("nobody wakes us: %s", type(exc).__name__)
            except Exception:
                logger.exception("a message of Redis was not understood")
            await asyncio.sleep(OUTAGE_PAUSE_SECONDS)

    async def _receive_messages(self) -> None:
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
                    self._store_progress(message["data"])
                else:
                    self._woken.set()

    def _store_progress(self, message: bytes) -> None:
        try:
            progress = parse_progress(message)
        except (ValueError, KeyError, TypeError):
            logger.warning("a message of progress was not understood")
            return
        if progress.user_id in self._subscriptions and progress.job_id not in self._ended:
            self._progress[progress.job_id] = progress

    async def _publish_progress(self) -> None:
        """Send the last progress of each job to its subscribers, at intervals."""
        while True:
            await asyncio.sleep(PROGRESS_SECONDS)
            latest, self._progress = self._progress, {}
            for progress in latest.values():
                for subscription in self._subscriptions.get(progress.user_id, ()):
                    subscription.add_progress(progress)

    async def _revoke_regularly(self) -> None:
        while True:
            await asyncio.sleep(REVOKE_SECONDS)
            try:
                await self._revoke_once()
            except DATABASE_OUTAGES as exc:
                logger.warning("nobody knows who is still active: %s", type(exc).__name__)

    async def _revoke_once(self) -> None:
        for user_id in await self._threads.call(
            list_inactive_users, user_ids=list(self._subscriptions)
        ):
            for subscription in self._subscriptions.get(user_id, ()):
                subscription.revoke()
        by_key = [
            subscription for subscription in self._list_subscriptions() if subscription.api_key_id
        ]
        if not by_key:
            return
        key_ids = {subscription.api_key_id for subscription in by_key if subscription.api_key_id}
        valid_ids = await self._threads.call(
            keys.list_valid_keys, key_ids=key_ids, scope=Scope.READ
        )
        for subscription in by_key:
            if subscription.api_key_id not in valid_ids:
                subscription.revoke()


def list_inactive_users(*, user_ids: list[UUID]) -> list[UUID]:
    """Return those of these users whose tokens are no longer accepted."""
    users = get_user_model().objects.filter(pk__in=user_ids, is_active=False)
    return list(users.values_list("pk", flat=True))
