"""A track under many edits: found once where its clips lie, and kept right from edit to edit.

Its clips are known by keys, which stay when ids and places change. Where they begin stands in
sorted lists of numbers: a cut that moves a thousand clips moves numbers, and the clips themselves
are made anew once, when all edits are done.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from operator import add
from typing import Any

from projects.timeline.content import Clip, Track, end_of


class Row:
    """Clips in the order of their starts, with their lengths."""

    def __init__(self, clips: Iterable[tuple[int, Clip]]) -> None:
        found = sorted((clip["start_ms"], key, clip["duration_ms"]) for key, clip in clips)
        self.starts = [start for start, _, _ in found]
        self.keys = [key for _, key, _ in found]
        self.lengths = [length for _, _, length in found]

    def put(self, key: int, clip: Clip) -> None:
        """Take a clip in."""
        place = bisect_right(self.starts, clip["start_ms"])
        self.starts.insert(place, clip["start_ms"])
        self.keys.insert(place, key)
        self.lengths.insert(place, clip["duration_ms"])

    def remove(self, key: int) -> None:
        """Let a clip go."""
        place = self.keys.index(key)
        del self.starts[place], self.keys[place], self.lengths[place]

    def start_of(self, key: int) -> int:
        """Where it begins."""
        return self.starts[self.keys.index(key)]

    def ends_before(self, place: int) -> list[int]:
        """Where the clips before this place end."""
        return list(map(add, self.starts[:place], self.lengths[:place]))

    def close(self, at: int, shift: int, free_at: int) -> None:
        """Move what begins after ``at`` forward, but not before ``free_at``."""
        first = bisect_right(self.starts, at)
        pushed = bisect_left(self.starts, free_at + shift, first)
        rest = map((-shift).__add__, self.starts[pushed:])
        self.starts[first:] = [*([free_at] * (pushed - first)), *rest]

    def open(self, place: int, shift: int) -> None:
        """Move all from this place on back."""
        self.starts[place:] = map(shift.__add__, self.starts[place:])


class Lane:
    """A track and its clips, those that play apart from those that are deleted."""

    def __init__(self, track: Track) -> None:
        self.track = track
        self.clips: dict[int, Clip] = dict(enumerate(track["clips"]))
        """Their starts may have moved since: ask ``clip``."""
        self.order = list(self.clips)
        self._next = len(self.order)
        self._names: dict[str, int] = {}
        for key, clip in self.clips.items():
            self._names.setdefault(clip["id"], key)
        self._rows: tuple[Row, Row] | None = None
        self._changed = False

    @property
    def rows(self) -> tuple[Row, Row]:
        """The clips that play, and those that are deleted."""
        if self._rows is None:
            rows: tuple[list[Any], list[Any]] = ([], [])
            for key, clip in self.clips.items():
                rows[clip["deleted"]].append((key, clip))
            self._rows = (Row(rows[0]), Row(rows[1]))
        return self._rows

    @property
    def playing(self) -> Row:
        """The clips that play."""
        return self.rows[0]

    @property
    def gone(self) -> Row:
        """The clips that are deleted."""
        return self.rows[1]

    def key_of(self, clip_id: str) -> int | None:
        """The clip with this id."""
        return self._names.get(clip_id)

    def clip(self, key: int) -> Clip:
        """The clip as it is now."""
        clip = self.clips[key]
        if self._rows is None:
            return clip
        start = self._rows[clip["deleted"]].start_of(key)
        return clip if start == clip["start_ms"] else {**clip, "start_ms": start}

    def put(self, key: int, clip: Clip) -> None:
        """Have another clip in the place of one."""
        self._drop(key)
        self.lay(key, clip)

    def lift(self, key: int) -> None:
        """Take a clip out of its row, until it is laid again."""
        self.rows[self.clips[key]["deleted"]].remove(key)

    def lay(self, key: int, clip: Clip) -> None:
        """Put a clip, or another in its place, where it begins."""
        old = self.clips.get(key)
        if old is not None and old["id"] != clip["id"] and self._names.get(old["id"]) == key:
            del self._names[old["id"]]
        self._names.setdefault(clip["id"], key)
        self.clips[key] = clip
        self._changed = True
        if self._rows is not None:
            self._rows[clip["deleted"]].put(key, clip)

    def append(self, clip: Clip) -> int:
        """Add a clip; its key."""
        key, self._next = self._next, self._next + 1
        self.order.append(key)
        self.lay(key, clip)
        return key

    def remove(self, key: int) -> None:
        """Take a clip away."""
        self._drop(key)
        clip = self.clips.pop(key)
        self.order.remove(key)
        if self._names.get(clip["id"]) == key:
            del self._names[clip["id"]]
        self._changed = True

    def _drop(self, key: int) -> None:
        if self._rows is not None:
            self._rows[self.clips[key]["deleted"]].remove(key)

    def move(self, key: int, index: int) -> None:
        """Give a clip another place in the list."""
        self.order.remove(key)
        self.order.insert(index, key)

    def faded(self, clip: Clip) -> tuple[int, int]:
        """By how much the others overlap a clip that has been lifted, before and behind."""
        row = self.playing
        place = bisect_right(row.starts, clip["start_ms"])
        before = max(row.ends_before(place), default=0) - clip["start_ms"]
        behind = end_of(clip) - row.starts[place] if place < len(row.starts) else 0
        return max(0, before), max(0, behind)

    def close(self, at: int, free_at: int, gap_ms: int) -> None:
        """Move what begins after ``at`` forward by the gap, but nothing before ``free_at``."""
        place = bisect_right(self.playing.starts, at)
        if place < len(self.playing.starts):
            gap_ms = min(gap_ms, self.playing.starts[place] - free_at)
        for row in self.rows:
            row.close(at, gap_ms, free_at)
        self._changed = True

    def finished(self) -> Track:
        """The track after all edits; the same if there were none."""
        if not self._changed:
            return self.track
        if self._rows is not None:
            for row in self._rows:
                for key, start in zip(row.keys, row.starts, strict=True):
                    if self.clips[key]["start_ms"] != start:
                        self.clips[key] = {**self.clips[key], "start_ms": start}
        return {**self.track, "clips": [self.clips[key] for key in self.order]}
