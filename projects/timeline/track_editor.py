"""A track under many edits: found once where its clips lie, and kept right from edit to edit.

Its clips are known by keys, which stay when ids and places change. Once anything is cut, they lie
on the uncut track: where they would be if no ripple had closed anything. There nothing moves when
a clip is deleted or restored, and where all begin in the film is worked out once, in the end.

What is stored is the film, so between operations a lane is what reading the film makes of it: where
an operation leaves anything else, the film is written and read again (`Lane.settle`).
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate, compress
from operator import add, sub

from projects.timeline.content import Clip, Track, ends_of, without

Closing = tuple[int, int]
"""How far behind a deleted clip's start its track was closed, and by how much."""


def closing_of(clip: Clip) -> Closing | None:
    """What the ripple that deleted a clip has closed; clips of old documents do not tell."""
    cut = clip.get("cut") if clip["deleted"] else None
    if not cut or cut["mode"] != "ripple":
        return None
    return cut.get("lead_ms", 0), cut.get("closed_ms", clip["duration_ms"])


def closed(clip: Clip, closing: Closing) -> Clip:
    """A deleted clip that tells what it has closed."""
    cut = without(clip["cut"], "lead_ms", "closed_ms")
    if closing[0]:
        cut = {**cut, "lead_ms": closing[0]}
    return {**clip, "cut": {**cut, "closed_ms": closing[1]}}


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


class ClipIndex:
    """Clips in the order of their starts, with their lengths."""

    def __init__(self, clips: Iterable[tuple[int, int, int]] = ()) -> None:
        found = sorted(clips)
        starts, keys, lengths = zip(*found, strict=True) if found else ((), (), ())
        self.starts, self.keys, self.lengths = list(starts), list(keys), list(lengths)

    def put(self, key: int, start: int, length: int) -> None:
        """Take a clip in; of those that begin together, the lowest key comes first."""
        among = bisect_left(self.starts, start), bisect_right(self.starts, start)
        place = bisect_left(self.keys, key, *among)
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

    def over(self, begin: int, end: int) -> list[int]:
        """The keys of the clips that lie over any of this time."""
        first = bisect_left(self.starts, begin - max(self.lengths, default=0))
        some = slice(first, bisect_left(self.starts, end))
        ends = map(add, self.starts[some], self.lengths[some])
        return list(compress(self.keys[some], map(begin.__lt__, ends)))

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

    def moved(self, at: int, shift: int) -> "ClipIndex":
        """The clips with all that begins then or later moved, and nothing overtaken."""
        starts = (one + shift if one >= at else min(one, at + shift) for one in self.starts)
        return ClipIndex(zip(starts, self.keys, self.lengths, strict=True))


class RippleMap(ClipIndex):
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

    def all_in_film(self, moments: Sequence[int]) -> list[int]:
        """When moments of the uncut track, which are in order, are in the film."""
        if not self.starts:
            return list(moments)
        edges = [bisect_right(moments, at) for at in self.starts]
        found = list(moments[: edges[0]])
        ends = [*edges[1:], len(moments)]
        for at, closed_ms, shift, first, last in zip(
            self.starts, self.lengths, self.sums[1:], edges, ends, strict=True
        ):
            inside = bisect_left(moments, at + closed_ms, first, last)
            found += [at + closed_ms - shift] * (inside - first)
            found += [moment - shift for moment in moments[inside:last]]
        return found

    def uncut(self, moments: Iterable[int]) -> list[int]:
        """Where moments of the film are on the uncut track; one at a closing is behind it."""
        if not self.starts:
            return list(moments)
        points = list(map(sub, self.starts, self.sums))
        return [at + self.sums[bisect_right(points, at)] for at in moments]


class TrackEditor:
    """A track and its clips, those that play apart from those that are deleted."""

    def __init__(self, track: Track) -> None:
        self.track = track
        self.clips: dict[int, Clip] = dict(enumerate(track["clips"]))
        """Their starts may have moved since: ask ``clip``, or ``uncut``."""
        self.order = list(self.clips)
        self._next = len(self.order)
        ids = [clip["id"] for clip in reversed(track["clips"])]
        self._names = dict(zip(ids, reversed(self.order), strict=True))
        self._rows: tuple[ClipIndex, ClipIndex] | None = None
        self._film: dict[int, Clip] | None = None
        """The clips as they were read, until any is laid anew on the uncut track."""
        self.closings = RippleMap()
        self._changed = self._unclear = False
        self._end: int | None = None
        """Where the last clip ends, where nothing has changed since it was asked for."""

    @property
    def rows(self) -> tuple[ClipIndex, ClipIndex]:
        """The clips that play, and those that are deleted, on the uncut track."""
        if self._rows is None:
            self._film, self.clips = self.clips, dict(self.clips)
            self._rows = self._uncut()
        return self._rows

    @property
    def playing(self) -> ClipIndex:
        """The clips that play."""
        return self.rows[0]

    @property
    def gone(self) -> ClipIndex:
        """The clips that are deleted."""
        return self.rows[1]

    def _uncut(self) -> tuple[ClipIndex, ClipIndex]:
        live = ClipIndex(
            [
                (clip["start_ms"], key, clip["duration_ms"])
                for key, clip in self.clips.items()
                if not clip["deleted"]
            ]
        )
        gone = [(key, clip) for key, clip in self.clips.items() if clip["deleted"]]
        ghosts = self._close(live, gone) if gone else {}
        self.closings = self._closed_by(ghosts.items())
        left = [key for key, _ in gone if key not in ghosts]
        places = self.closings.uncut(self.clips[key]["start_ms"] for key in left)
        ghosts.update(zip(left, places, strict=True))
        live.starts = self.closings.uncut(live.starts)
        return live, ClipIndex(
            (at, key, self.clips[key]["duration_ms"]) for key, at in ghosts.items()
        )

    def _close(self, live: ClipIndex, gone: Iterable[tuple[int, Clip]]) -> dict[int, int]:
        """Find what is closed where; where the clips that were closed lie on the uncut track.

        A place that other clips have taken since is behind them; no other is closed in its lead.
        """
        reach = list(accumulate(live.ends_before(len(live.keys)), max))
        found = []
        for key, clip in gone:
            closing = closing_of(clip)
            if closing is not None:
                lead_ms, closed_ms = closing
                at = point = clip["start_ms"] + lead_ms
                if closed_ms:
                    at = free_from(live.starts, reach, point)
                lead_ms = lead_ms if at == point else 0
                known = clip["cut"].get("start_ms", clip["start_ms"]) + lead_ms
                found.append((at, known, closed_ms, clip["in_point_ms"], key, lead_ms))
        total, ghosts = 0, {}
        last = (-1, 0, 0, 0)
        for point, known, closed_ms, _, key, lead in sorted(found):
            at, lead_ms = point + total, lead if last[0] <= point - lead else 0
            if self.clips[key]["cut"].get("lead_ms", 0) != lead_ms:
                self.clips[key] = closed(self.clips[key], (lead_ms, closed_ms))
            if closed_ms:
                last = (point, known, closed_ms, at)
            elif last[0] == point and known < last[1] + last[2]:
                at = last[3] + known - last[1]  # it lies in what another has closed
            ghosts[key] = at - lead_ms
            total += closed_ms
        return ghosts

    def _closed_by(self, ghosts: Iterable[tuple[int, int]]) -> RippleMap:
        """What is closed by these clips, which lie so on the uncut track."""
        found = ((key, at, closing_of(self.clips[key])) for key, at in ghosts)
        return RippleMap(
            (at + each[0], key, each[1]) for key, at, each in found if each and each[1]
        )

    def key_of(self, clip_id: str) -> int | None:
        """The clip with this id."""
        return self._names.get(clip_id)

    @property
    def end_ms(self) -> int:
        """Where the last clip that plays ends; 0 without any."""
        if self._end is None:
            self._end = max(ends_of(map(self.clip, self.clips)), default=0)
        return self._end

    def clip(self, key: int) -> Clip:
        """The clip as it is now."""
        if self._film is not None:
            return self._film[key]
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
        self._leave_for(self.clips[key])
        if self._rows is not None:
            self._rows[0].remove(key)
        self._edited(key, clip)

    def append(self, clip: Clip) -> int:
        """Add a clip; its key."""
        key, end = self._new_key(), self._end if self._rows is None else None
        self._edited(key, clip)
        if end is not None:  # nothing else has moved
            self._end = max([end, *ends_of([clip])])
        return key

    def remove(self, key: int) -> None:
        """Take a clip away."""
        self._leave_for(self.clips[key])
        self.drop(key)

    def _new_key(self) -> int:
        key, self._next = self._next, self._next + 1
        self.order.append(key)
        return key

    def _edited(self, key: int, clip: Clip) -> None:
        self._leave_for(clip)
        if clip["deleted"]:
            clip = _unlinked(clip)
        if self._rows is None:
            self._name(key, clip)
        else:
            (start,) = self.closings.uncut([clip["start_ms"]])
            self.lay(key, {**clip, "start_ms": start})
            if self._unclear:
                self._into_film()

    def _name(self, key: int, clip: Clip) -> None:
        old = self.clips.get(key)
        if old is not None and old["id"] != clip["id"] and self._names.get(old["id"]) == key:
            del self._names[old["id"]]
        self._names.setdefault(clip["id"], key)
        self.clips[key] = clip
        self._changed, self._film, self._end = True, None, None

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
        self._unclear = self._unclear or self._meets(clip)
        self.rows[clip["deleted"]].put(key, clip["start_ms"], clip["duration_ms"])
        closing = closing_of(clip)
        if closing is not None and closing[1]:
            self.closings.put(key, clip["start_ms"] + closing[0], closing[1])
        return key

    def _meets(self, clip: Clip) -> bool:
        """Whether with this clip anything is closed where another one, or a lead, has its place.

        Only then would it be read from the film as lying elsewhere.
        """
        lead_ms, closed_ms = closing_of(clip) or (clip["duration_ms"], 0)
        begin = clip["start_ms"] + lead_ms
        end = begin + closed_ms
        if self.closings.over(clip["start_ms"], end):
            return True
        if not closed_ms:
            return False
        others = [self.uncut(key) for row in self.rows for key in row.over(begin, end)]
        return any(begin < one["start_ms"] + (closing_of(one) or (end,))[0] for one in others)

    def drop(self, key: int, *, lifted: bool = False) -> None:
        """Take a clip away altogether."""
        if self._rows is not None and not lifted:
            self.lift(key)
        clip = self.clips.pop(key)
        self.order.remove(key)
        if self._names.get(clip["id"]) == key:
            del self._names[clip["id"]]
        self._changed, self._film, self._end = True, None, None

    def move(self, at: int, shift: int) -> None:
        """Move all that begins then or later on the uncut track, and nothing is overtaken."""
        live, gone = (row.moved(at, shift) for row in self.rows)
        self._rows, self._film, self._changed, self._unclear = (live, gone), None, True, True
        self._end = None
        self.closings = self._closed_by(zip(gone.keys, gone.starts, strict=True))

    def finished(self) -> Track:
        """The track after all edits; the same if there were none."""
        if not self._changed:
            return self.track
        clips = self._written()
        return {**self.track, "clips": [clips[key] for key in self.order]}

    def settle(self) -> None:
        """After a cut or a restoration: have all lie where a new request would read it."""
        if self._unclear:
            self._into_film()
            self._rows = self._uncut()

    def _leave_for(self, clip: Clip) -> None:
        """Before a clip is edited: a deleted one is in the film; nothing is written needlessly."""
        if clip["deleted"] or self._film is not None:
            self._into_film()

    def _into_film(self) -> None:
        """Leave the uncut track, until it is asked for again."""
        self.clips = self._written()
        self._rows, self._film, self._unclear = None, None, False

    def _written(self) -> dict[int, Clip]:
        if self._film is not None:
            return self._film
        live, gone = self._rows or (ClipIndex(), ClipIndex())
        for key, start in zip(live.keys, self.closings.all_in_film(live.starts), strict=True):
            clip = self.clips[key]
            if clip["start_ms"] != start:
                self.clips[key] = {**clip, "start_ms": start}
        for key, at in zip(gone.keys, gone.starts, strict=True):
            clip = self.clips[key]
            start = self._in_film(clip, at)
            if clip["start_ms"] != start:
                clip = self.clips[key] = {**clip, "start_ms": start}
            cut = clip.get("cut")
            if cut and cut.get("start_ms") != at:
                self.clips[key] = {**clip, "cut": {**cut, "start_ms": at}}
        return self.clips
