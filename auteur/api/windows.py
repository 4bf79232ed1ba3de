"""Sliding windows: what keys have spent, counted in this process and settled with Redis.

A window is counted where a request is, without asking anybody. A thread tells Redis five times a
second what was counted since, and hears what all processes have counted together. Whoever has spent
half of what they had left at the last settlement is settled for at once, by the request itself. So
one process counts exactly. Of several, each lets at most half of a limit pass before it hears of
the others: together they let through no more than the limit and half of it for each process but
one, and what was too much is missing afterwards. With Redis away each process counts alone.

As in `limits`, what the last window holds counts for the part of it that the sliding one covers.
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

SETTLE_SECONDS = 0.2
"""Between what is counted and its settlement."""
AWAY_SECONDS = 1.0
"""How long Redis is left alone that did not answer."""
SHARE = 0.5
"""Of what was left at the last settlement, so much is spent before the next."""
MAX_WINDOWS = 20_000
"""Of one process; those that were not looked at for longest are forgotten, and asked for anew."""
AT_ONCE = 500
"""Settled by one script, while which Redis does nothing else."""
_SETTLE = """
local told = {}
for i = 1, #KEYS, 2 do
    local before, now = KEYS[i], KEYS[i + 1]
    local length, amount = tonumber(ARGV[i]), tonumber(ARGV[i + 1])
    local left = redis.call('PTTL', now)
    if left > 0 and left <= length then
        redis.call('RENAME', now, before)
        left = left + length
        redis.call('SET', now, 0, 'PX', left)
    end
    if left <= 0 then
        left = 2 * length
        redis.call('SET', now, 0, 'PX', left)
    end
    told[#told + 1] = tonumber(redis.call('GET', before)) or 0
    told[#told + 1] = redis.call('INCRBY', now, amount)
    told[#told + 1] = left - length
end
return told
"""


class Standing(NamedTuple):
    """Where a key stands after it was counted, or was not."""

    allowed: bool
    left: int
    seconds: float
    """Until something comes back."""


@dataclass(slots=True)
class _Window:
    key: str
    amount: int
    seconds: int
    ends: float
    before: int = 0
    """Counted in the window before this one."""
    counted: int = 0
    """In this one, by all processes, as of the last settlement."""
    unsettled: int = 0
    """Counted here since."""
    left: int = field(init=False)
    """As of the last settlement."""
    settled_at: float = 0.0

    def __post_init__(self) -> None:
        self.left = self.amount

    def slide(self, now: float) -> None:
        """Go on to the window of this time."""
        if now < self.ends:
            return
        if now >= self.ends + self.seconds:
            self.before = self.counted = self.unsettled = 0
            self.ends = now + self.seconds
            return
        self.before, self.counted = self.counted, 0
        if self.settled_at < self.ends - self.seconds:  # Redis was away all the time
            self.before, self.unsettled = self.before + self.unsettled, 0
        self.ends += self.seconds

    def spent(self, now: float) -> int:
        """By the sliding window that ends now, as far as it is known here."""
        self.slide(now)
        covered = int(self.before * (self.ends - now) / self.seconds)
        return covered + self.counted + self.unsettled

    def standing(self, now: float, *, allowed: bool) -> Standing:
        spent, until_next = self.spent(now), self.ends - now
        back = until_next if spent else 0.0
        if self.before:
            back = min(back, until_next % (self.seconds / self.before))
        return Standing(allowed, max(0, self.amount - spent), back)

    def settle(self, now: float, told: int, before: int, counted: int, left_ms: int) -> None:
        """Take over what Redis says, which has been ``told`` what was counted here."""
        self.unsettled = max(0, self.unsettled - told)
        self.before, self.counted = before, counted
        self.ends = now + left_ms / 1000
        self.settled_at = now
        self.left = max(0, self.amount - self.spent(now))


class Windows:
    """The windows of this process."""

    def __init__(self) -> None:
        self._begin()
        os.register_at_fork(after_in_child=self._begin)

    def _begin(self) -> None:
        self._windows: OrderedDict[str, _Window] = OrderedDict()
        self._unsettled: dict[str, _Window] = {}
        self._lock = threading.Lock()
        self._settling = threading.Lock()
        """Held while Redis is asked: its answers are taken over in their order."""
        self._counting = threading.Event()
        self._thread: threading.Thread | None = None
        self._away_until = 0.0

    def hit(self, who: str, *, amount: int, seconds: int, cost: int = 1) -> Standing:
        """Count a cost, unless ``who`` would have spent more than ``amount`` in as many seconds."""
        window = self._window(who, amount, seconds, cost)
        with self._lock:
            now = time.monotonic()
            allowed = window.spent(now) + cost <= amount
            if allowed:
                self._count(window, cost)
            return window.standing(now, allowed=allowed)

    def look(self, who: str, *, amount: int, seconds: int) -> Standing:
        """Whether one more would be counted."""
        window = self._window(who, amount, seconds, 1)
        with self._lock:
            now = time.monotonic()
            return window.standing(now, allowed=window.spent(now) < amount)

    def settle(self) -> bool:
        """Settle all that is unsettled; whether Redis was there."""
        with self._lock:
            due = list(self._unsettled.values())
        parts = (due[first : first + AT_ONCE] for first in range(0, len(due), AT_ONCE))
        return all(self._settle(part) for part in parts)

    def _window(self, who: str, amount: int, seconds: int, cost: int) -> _Window:
        """The window, settled if it has to be before so much more is counted."""
        key = f"{who}:{amount}:{seconds}"
        with self._lock:
            window = self._windows.get(key)
            if window is None:
                window = _Window(key, amount, seconds, time.monotonic() + seconds)
                self._windows[key] = window
                if len(self._windows) > MAX_WINDOWS:
                    forgotten, _ = self._windows.popitem(last=False)
                    self._unsettled.pop(forgotten, None)
            else:
                self._windows.move_to_end(key)
            now = time.monotonic()
            fits = window.spent(now) + cost <= amount
            is_due = fits and window.unsettled + cost > window.left * SHARE
        if is_due and now >= self._away_until:
            self._settle([window], in_request=True)
        return window

    def _count(self, window: _Window, cost: int) -> None:
        window.unsettled += cost
        self._unsettled[window.key] = window
        if not self._counting.is_set():
            self._counting.set()
            if self._thread is None:
                thread = threading.Thread(target=self._settle_for_ever, name="windows", daemon=True)
                thread.start()
                self._thread = thread

    def _settle_for_ever(self) -> None:
        while True:
            self._counting.wait()
            time.sleep(SETTLE_SECONDS)
            self._counting.clear()
            while not self._settle_all():
                time.sleep(AWAY_SECONDS)

    def _settle_all(self) -> bool:
        try:
            return self.settle()
        except Exception:
            logger.exception("rate limits are not settled")  # and are again, for users come back
            return False

    def _settle(self, windows: Sequence[_Window], *, in_request: bool = False) -> bool:
        with self._settling:
            if in_request and time.monotonic() < self._away_until:
                return False  # found by whom we waited for
            with self._lock:
                told = [window.unsettled for window in windows]
                for window in windows:
                    self._unsettled.pop(window.key, None)
            try:
                answers = _asked(windows, told)
            except redis.exceptions.RedisError as exc:
                if not self._away_until:
                    logger.warning("each process counts for itself: %s", type(exc).__name__)
                self._away_until = time.monotonic() + AWAY_SECONDS
                with self._lock:
                    self._keep(windows, told, exc)
                return False
            self._away_until = 0.0
            with self._lock:
                now = time.monotonic()
                for window, amount, answer in zip(windows, told, answers, strict=True):
                    window.settle(now, amount, *answer)
            return True

    def _keep(self, windows: Sequence[_Window], told: Sequence[int], exc: Exception) -> None:
        """What was not told, to be told again; but not what Redis may have counted."""
        if isinstance(exc, redis.exceptions.TimeoutError):
            for window, amount in zip(windows, told, strict=True):
                window.unsettled -= amount
                window.counted += amount
        kept = {w.key: w for w in windows if w.unsettled and self._windows.get(w.key) is w}
        self._unsettled = kept | self._unsettled


def _asked(windows: Sequence[_Window], told: Iterable[int]) -> list[tuple[int, int, int]]:
    keys = [f"auteur:spent:{{{w.key}}}:{part}" for w in windows for part in ("before", "now")]
    values = [
        value
        for window, amount in zip(windows, told, strict=True)
        for value in (1000 * window.seconds, amount)
    ]
    answer: list[int] = script()(keys=keys, args=values)
    return list(zip(answer[::3], answer[1::3], answer[2::3], strict=True))


@cache
def script() -> Any:
    """What settles, in a Redis that is waited for no longer than a request can."""
    timeout = settings.REDIS_THROTTLE_TIMEOUT_SECONDS
    client = redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=timeout, socket_connect_timeout=timeout
    )
    return client.register_script(_SETTLE)


windows = Windows()
