"""The timelines that this process has edited last, so that their next edit reads nothing.

It may be old: others may have edited the timeline since, or deleted it. So the caller asks MongoDB
if the version is current, or lets a write decide that names it. Each request has checked in
PostgreSQL whose project it is. Values are shared between threads and never mutated.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

MAX_CACHED_BYTES = 8 * 1024**2
"""Of all timelines together, as BSON: as Python's values, five to six times as much."""
MAX_CACHED_SECONDS = 600.0
"""After the last edit of a timeline; older ones are removed when another one is stored."""

Timeline = TypeVar("Timeline")


class SessionCache(Generic[Timeline]):
    """Timelines by project and user, those that were edited last."""

    def __init__(self) -> None:
        self.size_bytes = 0
        self._lock = threading.Lock()
        self._entries: OrderedDict[Hashable, tuple[Timeline, int, float]] = OrderedDict()

    def get(self, key: Hashable) -> Timeline | None:
        """Return the timeline if it is cached."""
        with self._lock:
            entry = self._entries.get(key)
        return entry[0] if entry else None

    def put(self, key: Hashable, timeline: Timeline, size_bytes: int) -> None:
        """Store a timeline; remove the oldest ones if there is no room or they are too old."""
        now = time.monotonic()
        with self._lock:
            self._remove(key)
            self._entries[key] = (timeline, size_bytes, now)
            self.size_bytes += size_bytes
            while self._entries:
                oldest, (_, _, since) = next(iter(self._entries.items()))
                if self.size_bytes <= MAX_CACHED_BYTES and now - since <= MAX_CACHED_SECONDS:
                    break
                self._remove(oldest)

    def forget(self, key: Hashable) -> None:
        """Remove a timeline."""
        with self._lock:
            self._remove(key)

    def _remove(self, key: Hashable) -> None:
        entry = self._entries.pop(key, None)
        if entry:
            self.size_bytes -= entry[1]
