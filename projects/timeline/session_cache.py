"""What this process keeps of the timelines that it has edited, so that the next edit reads nothing.

It may be old: others have edited the timeline since, or removed it. So who takes it asks MongoDB
whether that is the current version, or lets a write find out that names it. Whose project it is,
each request has asked Postgres before. Values are shared and never mutated, so threads may have the
same.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

MAX_KEPT_BYTES = 8 * 1024**2
"""Of all timelines together, as BSON: as Python's values, five to six times as much."""
MAX_KEPT_SECONDS = 600.0
"""After a timeline was edited last; whoever keeps another one lets it go."""

Timeline = TypeVar("Timeline")


class SessionCache(Generic[Timeline]):
    """Timelines by whose they are, those that were edited last."""

    def __init__(self) -> None:
        self.size_bytes = 0
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, tuple[Timeline, int, float]] = OrderedDict()

    def get(self, key: Hashable) -> Timeline | None:
        """What is kept of it."""
        with self._lock:
            found = self._kept.get(key)
        return found[0] if found else None

    def put(self, key: Hashable, timeline: Timeline, size_bytes: int) -> None:
        """Keep it in the place of what was kept of it, and let others go where there is no room."""
        now = time.monotonic()
        with self._lock:
            self._remove(key)
            self._kept[key] = (timeline, size_bytes, now)
            self.size_bytes += size_bytes
            while self._kept:
                oldest, (_, _, since) = next(iter(self._kept.items()))
                if self.size_bytes <= MAX_KEPT_BYTES and now - since <= MAX_KEPT_SECONDS:
                    break
                self._remove(oldest)

    def forget(self, key: Hashable) -> None:
        """Let it go."""
        with self._lock:
            self._remove(key)

    def _remove(self, key: Hashable) -> None:
        found = self._kept.pop(key, None)
        if found:
            self.size_bytes -= found[1]
