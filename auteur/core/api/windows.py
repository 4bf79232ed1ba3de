"""Sliding windows of rate limits, counted in this process and synchronised through Redis.

A window is counted in memory. A thread sends the new counts to Redis five times a second, and
receives the totals of all processes. A request synchronises at once if its key has spent half of
what remained at the last synchronisation. So one process counts exactly. Of several, each lets at
most half of a limit pass before it learns of the others: together they let through at most the
limit, plus half of it for each process but one, and the excess is missing afterwards. While Redis
is away, each process counts alone.

As in `limits`, the previous window counts for the part of it that the sliding window covers.
"""

import logging
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NamedTuple

import redis
from django.conf import settings

logger = logging.getLogger(__name__)

SYNC_SECONDS = 0.2
"""The longest time between a count and its synchronisation."""
AWAY_SECONDS = 1.0
"""How long Redis is not used after it failed to answer."""
SHARE = 0.5
"""This share of what remained at the last synchronisation is spent before the next."""
MAX_WINDOWS = 20_000
"""The most windows of one process. The least recently used are dropped and read anew from Redis."""
MAX_SCRIPT_WINDOWS = 500
"""Windows that one script synchronises. Redis does nothing else meanwhile."""
_SYNC_SCRIPT = """
local totals = {}
for i = 1, #KEYS, 2 do
    local before, now = KEYS[i], KEYS[i + 1]
    local length, amount = tonumber(ARGV[i]), tonumber(ARGV[i + 1])
    local ttl = redis.call('PTTL', now)
    if ttl > 0 and ttl <= length then
        redis.call('RENAME', now, before)
        ttl = ttl + length
        redis.call('SET', now, 0, 'PX', ttl)
    end
    if ttl <= 0 then
        ttl = 2 * length
        redis.call('SET', now, 0, 'PX', ttl)
    end
    totals[#totals + 1] = tonumber(redis.call('GET', before)) or 0
    totals[#totals + 1] = redis.call('INCRBY', now, amount)
    totals[#totals + 1] = ttl - length
end
return totals
"""


class WindowState(NamedTuple):
    """The state of a key's window after a request was counted or refused."""

    is_allowed: bool
    remaining: int
    seconds: float
    """Seconds until a part of the limit is free again."""


@dataclass(slots=True)
class _Window:
    key: str
    amount: int
    seconds: int
    ends: float
    before: int = 0
    """The count of the previous window."""
    counted: int = 0
    """The count of this window by all processes, as of the last synchronisation."""
    unsent: int = 0
    """The count of this process since the last synchronisation."""
    remaining: int = field(init=False)
    """The remaining amount at the last synchronisation."""
    synchronized_at: float = 0.0

    def __post_init__(self) -> None:
        self.remaining = self.amount

    def slide(self, now: float) -> None:
        """Move to the window that contains this time."""
        if now < self.ends:
            return
        if now >= self.ends + self.seconds:
            self.before = self.counted = self.unsent = 0
            self.ends = now + self.seconds
            return
        self.before, self.counted = self.counted, 0
        if self.synchronized_at < self.ends - self.seconds:  # Redis was away for the whole window.
            self.before, self.unsent = self.before + self.unsent, 0
        self.ends += self.seconds

    def count_spent(self, now: float) -> int:
        """Return the count of the sliding window that ends now, as far as this process knows."""
        self.slide(now)
        covered = int(self.before * (self.ends - now) / self.seconds)
        return covered + self.counted + self.unsent

    def get_state(self, now: float, *, is_allowed: bool) -> WindowState:
        spent, until_next = self.count_spent(now), self.ends - now
        seconds_until_free = until_next if spent else 0.0
        if self.before:
            seconds_until_free = min(seconds_until_free, until_next % (self.seconds / self.before))
        return WindowState(is_allowed, max(0, self.amount - spent), seconds_until_free)

    def store_totals(
        self, now: float, sent: int, before: int, counted: int, remaining_ms: int
    ) -> None:
        """Store the totals of Redis, which has counted ``sent`` from this process."""
        self.unsent = max(0, self.unsent - sent)
        self.before, self.counted = before, counted
        self.ends = now + remaining_ms / 1000
        self.synchronized_at = now
        self.remaining = max(0, self.amount - self.count_spent(now))


class Windows:
    """The windows of this process."""

    def __init__(self) -> None:
        self._reset()
        os.register_at_fork(after_in_child=self._reset)

    def _reset(self) -> None:
        self._windows: OrderedDict[str, _Window] = OrderedDict()
        self._unsent: dict[str, _Window] = {}
        self._lock = threading.Lock()
        self._synchronizing = threading.Lock()
        """Held during a synchronisation, so that the totals of Redis are stored in order."""
        self._counting = threading.Event()
        self._thread: threading.Thread | None = None
        self._away_until = 0.0

    def hit(self, client: str, *, amount: int, seconds: int, cost: int = 1) -> WindowState:
        """Count a cost, unless ``client`` would spend more than ``amount`` within ``seconds``."""
        window = self._get_window(client, amount, seconds, cost)
        with self._lock:
            now = time.monotonic()
            is_allowed = window.count_spent(now) + cost <= amount
            if is_allowed:
                self._add(window, cost)
            return window.get_state(now, is_allowed=is_allowed)

    def get_state(self, client: str, *, amount: int, seconds: int) -> WindowState:
        """Return the state of ``client``'s window, without counting anything."""
        window = self._get_window(client, amount, seconds, 1)
        with self._lock:
            now = time.monotonic()
            return window.get_state(now, is_allowed=window.count_spent(now) < amount)

    def synchronize(self) -> bool:
        """Synchronise all windows with new counts. Return False if Redis is away."""
        with self._lock:
            due = list(self._unsent.values())
        parts = (
            due[first : first + MAX_SCRIPT_WINDOWS]
            for first in range(0, len(due), MAX_SCRIPT_WINDOWS)
        )
        return all(self._synchronize_windows(part) for part in parts)

    def _get_window(self, client: str, amount: int, seconds: int, cost: int) -> _Window:
        """Return the window, synchronised first if counting ``cost`` requires it."""
        key = f"{client}:{amount}:{seconds}"
        with self._lock:
            window = self._windows.get(key)
            if window is None:
                window = _Window(key, amount, seconds, time.monotonic() + seconds)
                self._windows[key] = window
                if len(self._windows) > MAX_WINDOWS:
                    dropped_key, _ = self._windows.popitem(last=False)
                    self._unsent.pop(dropped_key, None)
            else:
                self._windows.move_to_end(key)
            now = time.monotonic()
            fits = window.count_spent(now) + cost <= amount
            is_due = fits and window.unsent + cost > window.remaining * SHARE
        if is_due and now >= self._away_until:
            self._synchronize_windows([window], in_request=True)
        return window

    def _add(self, window: _Window, cost: int) -> None:
        window.unsent += cost
        self._unsent[window.key] = window
        if not self._counting.is_set():
            self._counting.set()
            if self._thread is None:
                thread = threading.Thread(
                    target=self._synchronize_for_ever, name="windows", daemon=True
                )
                thread.start()
                self._thread = thread

    def _synchronize_for_ever(self) -> None:
        while True:
            self._counting.wait()
            time.sleep(SYNC_SECONDS)
            self._counting.clear()
            while not self._try_synchronize():
                time.sleep(AWAY_SECONDS)

    def _try_synchronize(self) -> bool:
        try:
            return self.synchronize()
        except Exception:
            logger.exception("rate limits cannot be synchronised")
            # The counts stay unsent; the next request of their users sends them again.
            return False

    def _synchronize_windows(self, windows: Sequence[_Window], *, in_request: bool = False) -> bool:
        with self._synchronizing:
            if in_request and time.monotonic() < self._away_until:
                return False  # The thread that held the lock has just found Redis away.
            with self._lock:
                amounts = [window.unsent for window in windows]
                for window in windows:
                    self._unsent.pop(window.key, None)
            try:
                totals = _run_script(windows, amounts)
            except redis.exceptions.RedisError as exc:
                if not self._away_until:
                    logger.warning("each process counts for itself: %s", type(exc).__name__)
                self._away_until = time.monotonic() + AWAY_SECONDS
                with self._lock:
                    self._keep_unsent(windows, amounts, exc)
                return False
            self._away_until = 0.0
            with self._lock:
                now = time.monotonic()
                for window, amount, total in zip(windows, amounts, totals, strict=True):
                    window.store_totals(now, amount, *total)
            return True

    def _keep_unsent(
        self, windows: Sequence[_Window], amounts: Sequence[int], exc: Exception
    ) -> None:
        """Keep unsent counts for the next synchronisation.

        After a time-out Redis may have counted them, so they are not sent again.
        """
        if isinstance(exc, redis.exceptions.TimeoutError):
            for window, amount in zip(windows, amounts, strict=True):
                window.unsent -= amount
                window.counted += amount
        unsent = {w.key: w for w in windows if w.unsent and self._windows.get(w.key) is w}
        self._unsent = unsent | self._unsent


def _run_script(windows: Sequence[_Window], amounts: Iterable[int]) -> list[tuple[int, int, int]]:
    keys = [f"auteur:spent:{{{w.key}}}:{part}" for w in windows for part in ("before", "now")]
    values = [
        value
        for window, amount in zip(windows, amounts, strict=True)
        for value in (1000 * window.seconds, amount)
    ]
    totals: list[int] = script()(keys=keys, args=values)
    return list(zip(totals[::3], totals[1::3], totals[2::3], strict=True))


@cache
def script() -> Any:
    """Return the script, for a Redis client that waits no longer than a request can."""
    timeout = settings.REDIS_THROTTLE_TIMEOUT_SECONDS
    client = redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=timeout, socket_connect_timeout=timeout
    )
    return client.register_script(_SYNC_SCRIPT)


windows = Windows()
