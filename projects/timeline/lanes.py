"""A track under many edits: found once where its clips lie, and kept right from edit to edit.

Its clips are known by keys, which stay when ids and places change. Once anything is cut, they lie
on the uncut track: where they would be if no ripple had closed anything. There nothing moves when
a clip is deleted or restored, and where all begin in the film is worked out once, in the end.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate
from operator import add, sub
from typing import Any

from projects.timeline.content import Clip, Track

CLOSING = ("lead_ms", "closed_ms")
Closing = tuple[int, int]
"""How far behind a deleted clip's start its track was closed, and by how much."""


def closing_of(clip: Clip) -> Closing | None:
    """What the ripple that deleted a clip has closed; clips of old documents do not tell."""
    cut = clip.get("cut") if clip["deleted"] else None
    if not cut or cut["mode"] != "ripple":
        return None
    return cut.get("lead_ms", 0), cut.get("closed_ms", clip["duration_ms"])


def closed(clip: Clip, closing: Closing) -> dict[str, Any]:
    """A deleted clip that tells what it has closed."""
    told = {"lead_ms": closing[0]} if closing[0] else {}
    rest = {name: value for name, value in clip["cut"].items() if name not in CLOSING}
    return {**clip, "cut": {**rest, **told, "closed_ms": closing[1]}}


def _unlinked(clip: Clip) -> Clip:
    """A deleted clip that somebody edits is no part of what it was cut from any more."""
    cut = clip.get("cut")
    if not cut:
        return clip
    return {**clip, "cut": {"mode": cut["mode"], "segment_id": cut["segment_id"]}}


def free_from(starts: Sequence[int], reach: Sequence[int], at: int) -> int:
    """The first moment from ``at`` on inside no clip, of which these are the starts.

    ``reach`` is how far each and those before it reach.
    """
    while True:
        place = bisect_left(starts, at)
        if not place or reach[place - 1] <= at:
            return at
        at = reach[place - 1]


class Row:
    """Clips in the order of their starts, with their lengths."""

    def __init__(self, clips: Iterable[tuple[int, int, int]] = ()) -> None:
        found = sorted(clips)
        self.starts = [start for start, _, _ in found]
        self.keys = [key for _, key, _ in found]
        self.lengths = [length for _, _, length in found]

    def put(self, key: int, start: int, length: int) -> None:
        """Take a clip in."""
        place = bisect_right(self.starts, start)
        self.starts.insert(place, start)
        self.keys.insert(place, key)
        self.lengths.insert(place, length)

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

    def ending_at(self, at: int) -> list[int]:
        """The keys of the clips that end then."""
        ends, place, found = self.ends_before(bisect_left(self.starts, at)), -1, []
        for _ in range(ends.count(at)):
            place = ends.index(at, place + 1)
            found.append(self.keys[place])
        return found

    def beginning_at(self, at: int) -> list[int]:
        """The keys of the clips that begin then."""
        return self.keys[bisect_left(self.starts, at) : bisect_right(self.starts, at)]

    def move(self, at: int, shift: int) -> None:
        """Move all that begins then or later."""
        place = bisect_left(self.starts, at)
        self.starts[place:] = map(shift.__add__, self.starts[place:])


class Closings(Row):
    """Where ripples have closed a track: moments of the uncut track, and what is closed there."""

    _sums: list[int] | None = None
    """What is closed before each, and altogether; None after a change."""

    def put(self, key: int, start: int, length: int) -> None:
        """Close some more."""
        super().put(key, start, length)
        self._sums = None

    def remove(self, key: int) -> None:
        """Open it again."""
        super().remove(key)
        self._sums = None

    @property
    def sums(self) -> list[int]:
        """How much is closed before each, and altogether."""
        if self._sums is None:
            self._sums = list(accumulate(self.lengths, initial=0))
        return self._sums

    def in_film(self, at: int) -> int:
        """When a moment of the uncut track is in the film."""
        place = bisect_left(self.starts, at)
        if not place:
            return at
        return max(at - self.sums[place], self.starts[place - 1] - self.sums[place - 1])

    def uncut(self, moments: Iterable[int]) -> list[int]:
        """Where moments of the film are on the uncut track; one at a closing is behind it."""
        points = list(map(sub, self.starts, self.sums))
        return [at + self.sums[bisect_right(points, at)] for at in moments]


class Lane:
    """A track and its clips, those that play apart from those that are deleted."""

    def __init__(self, track: Track) -> None:
        self.track = track
        self.clips: dict[int, Clip] = dict(enumerate(track["clips"]))
        """Their starts may have moved since: ask ``clip``, or ``uncut``."""
        self.order = list(self.clips)
        self._next = len(self.order)
        self._names: dict[str, int] = {}
        for key, clip in self.clips.items():
            self._names.setdefault(clip["id"], key)
        self._rows: tuple[Row, Row] | None = None
        self.closings = Closings()
        self._changed = False

    @property
    def rows(self) -> tuple[Row, Row]:
        """The clips that play, and those that are deleted, on the uncut track."""
        if self._rows is None:
            self._rows = self._uncut()
        return self._rows

    @property
    def playing(self) -> Row:
        """The clips that play."""
        return self.rows[0]

    @property
    def gone(self) -> Row:
        """The clips that are deleted."""
        return self.rows[1]

    def _uncut(self) -> tuple[Row, Row]:
        live = Row(
            (clip["start_ms"], key, clip["duration_ms"])
            for key, clip in self.clips.items()
            if not clip["deleted"]
        )
        ghosts = self._close(live)
        left = [key for key, clip in self.clips.items() if clip["deleted"] and key not in ghosts]
        places = self.closings.uncut(self.clips[key]["start_ms"] for key in left)
        ghosts.update(zip(left, places, strict=True))
        live.starts = self.closings.uncut(live.starts)
        return live, Row((at, key, self.clips[key]["duration_ms"]) for key, at in ghosts.items())

    def _close(self, live: Row) -> dict[int, int]:
        """Find what is closed where; where the clips that were closed lie on the uncut track.

        A place that other clips have taken since is behind them.
        """
        self.closings = Closings()
        reach = list(accumulate(live.ends_before(len(live.keys)), max))
        found = []
        for key, clip in self.clips.items():
            closing = closing_of(clip)
            if closing is not None:
                lead_ms, closed_ms = closing
                at = point = clip["start_ms"] + lead_ms
                if closed_ms:
                    at = free_from(live.starts, reach, point)
                if at != point:
                    lead_ms = 0
                    self.clips[key] = closed(clip, (0, closed_ms))
                known = clip["cut"].get("start_ms", clip["start_ms"]) + lead_ms
                found.append((at, known, closed_ms, clip["in_point_ms"], key, lead_ms))
        total, ghosts = 0, {}
        last = (-1, 0, 0, 0)
        for point, known, closed_ms, _, key, lead_ms in sorted(found):
            at = point + total
            if closed_ms:
                last = (point, known, closed_ms, at)
                self.closings.put(key, at, closed_ms)
            elif last[0] == point and known < last[1] + last[2]:
                at = last[3] + known - last[1]  # it lies in what another has closed
            ghosts[key] = at - lead_ms
            total += closed_ms
        return ghosts

    def key_of(self, clip_id: str) -> int | None:
        """The clip with this id."""
        return self._names.get(clip_id)

    def clip(self, key: int) -> Clip:
        """The clip as it is now."""
        clip = self.clips[key]
        if self._rows is None:
            return clip
        start = self._in_film(clip, self._rows[clip["deleted"]].start_of(key))
        return clip if start == clip["start_ms"] else {**clip, "start_ms": start}

    def _in_film(self, clip: Clip, start: int) -> int:
        lead_ms, _ = closing_of(clip) or (0, 0)
        return max(self.closings.in_film(start + lead_ms) - lead_ms, 0)

    def uncut(self, key: int) -> Clip:
        """The clip as it is on the uncut track."""
        clip = self.clips[key]
        return {**clip, "start_ms": self.rows[clip["deleted"]].start_of(key)}

    def put(self, key: int, clip: Clip) -> None:
        """Have a clip as somebody has edited it."""
        if self.clips[key]["deleted"]:
            self._settle()
        elif self._rows is not None:
            self._rows[0].remove(key)
        self._edited(key, clip)

    def append(self, clip: Clip) -> int:
        """Add a clip; its key."""
        key = self._new_key()
        self._edited(key, clip)
        return key

    def remove(self, key: int) -> None:
        """Take a clip away."""
        if self.clips[key]["deleted"]:
            self._settle()
        self.drop(key)

    def _new_key(self) -> int:
        key, self._next = self._next, self._next + 1
        self.order.append(key)
        return key

    def _edited(self, key: int, clip: Clip) -> None:
        if clip["deleted"]:
            self._settle()
            clip = _unlinked(clip)
        self._name(key, clip)
        if self._rows is not None:
            (start,), length = self.closings.uncut([clip["start_ms"]]), clip["duration_ms"]
            self._rows[0].put(key, start, length)
            inside = bisect_left(self.closings.starts, start + length)
            if bisect_right(self.closings.starts, start) != inside:
                self._settle()  # it lies over a closed place, which moves behind it

    def _name(self, key: int, clip: Clip) -> None:
        old = self.clips.get(key)
        if old is not None and old["id"] != clip["id"] and self._names.get(old["id"]) == key:
            del self._names[old["id"]]
        self._names.setdefault(clip["id"], key)
        self.clips[key] = clip
        self._changed = True

    def lift(self, key: int) -> None:
        """Take a clip from the uncut track, until it is laid again or dropped."""
        clip = self.clips[key]
        self.rows[clip["deleted"]].remove(key)
        if key in self.closings.keys:
            self.closings.remove(key)

    def lay(self, key: int | None, clip: Clip) -> int:
        """Lay a clip on the uncut track, a new one or in the place of one lifted; its key."""
        key = self._new_key() if key is None else key
        self._name(key, clip)
        self.rows[clip["deleted"]].put(key, clip["start_ms"], clip["duration_ms"])
        closing = closing_of(clip)
        if closing is not None and closing[1]:
            self.closings.put(key, clip["start_ms"] + closing[0], closing[1])
        return key

    def drop(self, key: int, *, lifted: bool = False) -> None:
        """Take a clip away altogether."""
        if self._rows is not None and not lifted:
            self.lift(key)
        clip = self.clips.pop(key)
        self.order.remove(key)
        if self._names.get(clip["id"]) == key:
            del self._names[clip["id"]]
        self._changed = True

    def move(self, at: int, shift: int) -> None:
        """Move all that begins then or later on the uncut track."""
        for row in (*self.rows, self.closings):
            row.move(at, shift)
        self._changed = True

    def finished(self) -> Track:
        """The track after all edits; the same if there were none."""
        if not self._changed:
            return self.track
        self._write_starts()
        return {**self.track, "clips": [self.clips[key] for key in self.order]}

    def _settle(self) -> None:
        """Back into the film, until the uncut track is asked for again."""
        if self._rows is not None:
            self._write_starts()
            self._rows = None

    def _write_starts(self) -> None:
        for row in self._rows or ():
            for key, at in zip(row.keys, row.starts, strict=True):
                clip = self.clips[key]
                start = self._in_film(clip, at)
                if clip["start_ms"] != start:
                    clip = self.clips[key] = {**clip, "start_ms": start}
                cut = clip.get("cut")
                if cut and cut.get("start_ms", at) != at:
                    self.clips[key] = {**clip, "cut": {**cut, "start_ms": at}}
