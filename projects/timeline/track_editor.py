"""A track while edits change it: its clips on the source timeline, and where they are in time.

The source timeline is the track as if no ripple had closed anything. A deleted clip is stored with
its start there (`cut.start_ms`) and with what it has closed. A clip that plays begins at its
``start_ms`` plus all that is closed before it: nothing is closed under a clip that plays.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate, compress
from operator import add, gt, itemgetter, sub

from projects.timeline.content import Clip, CutRecord, Track, end_of, without

Closing = tuple[int, int]
"""How far behind a deleted clip's start its track is closed, and by how much."""


def find_closing(clip: Clip) -> Closing | None:
    """Return what the ripple that deleted a clip has closed; None for any other clip.

    A mark that says nothing of it has closed the length of its clip.
    """
    cut = clip.get("cut") if clip["deleted"] else None
    if not cut or cut["mode"] != "ripple":
        return None
    return cut.get("lead_ms", 0), cut.get("closed_ms", clip["duration_ms"])


def with_closing(clip: Clip, closing: Closing) -> Clip:
    """Return a deleted clip whose mark says what it has closed."""
    cut = without(clip["cut"], "lead_ms", "closed_ms")
    if closing[0]:
        cut = {**cut, "lead_ms": closing[0]}
    return {**clip, "cut": {**cut, "closed_ms": closing[1]}}


def get_cut(clip: Clip) -> CutRecord:
    """Return how a clip was deleted; those of old documents do not say."""
    return clip.get("cut") or {"mode": "gap", "segment_id": None}


class ClipIndex:
    """Clips by key, in the order of their starts, with their lengths."""

    def __init__(self, clips: Iterable[tuple[int, int, int]] = ()) -> None:
        ordered = sorted(clips)
        self.starts = [start for start, _, _ in ordered]
        self.keys = [key for _, key, _ in ordered]
        self.lengths = [length for _, _, length in ordered]
        self._reach: list[int] | None = None
        self._sums: list[int] | None = None

    def insert(self, key: int, start_ms: int, length_ms: int) -> None:
        """Add a clip; of those that begin together, the lowest key comes first."""
        same_start = bisect_left(self.starts, start_ms), bisect_right(self.starts, start_ms)
        index = bisect_left(self.keys, key, *same_start)
        self.starts.insert(index, start_ms)
        self.keys.insert(index, key)
        self.lengths.insert(index, length_ms)
        self._reach = self._sums = None

    def remove(self, key: int) -> None:
        """Remove a clip."""
        index = self.keys.index(key)
        del self.starts[index], self.keys[index], self.lengths[index]
        self._reach = self._sums = None

    def list_overlapping(self, begin_ms: int, end_ms: int) -> list[int]:
        """Return the keys of the clips that share some of this time."""
        first = bisect_left(self.starts, begin_ms - max(self.lengths, default=0))
        candidates = slice(first, bisect_left(self.starts, end_ms))
        ends = map(add, self.starts[candidates], self.lengths[candidates])
        return list(compress(self.keys[candidates], map(begin_ms.__lt__, ends)))

    def list_ending_at(self, moment_ms: int) -> list[int]:
        """Return the keys of the clips that end then."""
        count = bisect_left(self.starts, moment_ms)
        ends = map(add, self.starts[:count], self.lengths[:count])
        return list(compress(self.keys, map(moment_ms.__eq__, ends)))

    def list_starting_at(self, moment_ms: int) -> list[int]:
        """Return the keys of the clips that begin then."""
        return self.keys[bisect_left(self.starts, moment_ms) : bisect_right(self.starts, moment_ms)]

    @property
    def reach(self) -> list[int]:
        """For each clip the latest end of it and of those before it."""
        if self._reach is None:
            self._reach = list(accumulate(map(add, self.starts, self.lengths), max))
        return self._reach

    @property
    def sums(self) -> list[int]:
        """The length of all clips before each clip, and of all in total."""
        if self._sums is None:
            self._sums = list(accumulate(self.lengths, initial=0))
        return self._sums

    def find_free_moment(self, moment_ms: int) -> int:
        """Return the first moment, from the given one on, that lies inside no clip."""
        while (count := bisect_left(self.starts, moment_ms)) and self.reach[count - 1] > moment_ms:
            moment_ms = self.reach[count - 1]
        return moment_ms


class RippleMap(ClipIndex):
    """What ripples have closed of a source timeline, by the key of the deleted clip."""

    def __init__(self, clips: Mapping[int, Clip]) -> None:
        closings = ((key, clip, find_closing(clip)) for key, clip in clips.items())
        super().__init__(
            (clip["start_ms"] + closing[0], key, closing[1])
            for key, clip, closing in closings
            if closing and closing[1]
        )

    def to_timeline(self, moment_ms: int) -> int:
        """Return where a moment of the source timeline is on the timeline."""
        count = bisect_left(self.starts, moment_ms)
        if not count:
            return moment_ms
        return max(moment_ms - self.sums[count], self.starts[count - 1] - self.sums[count - 1])

    def start_on_timeline(self, clip: Clip) -> int:
        """Return where a clip of the source timeline begins on the timeline."""
        lead_ms, _ = find_closing(clip) or (0, 0)
        return max(self.to_timeline(clip["start_ms"] + lead_ms) - lead_ms, 0)

    def list_to_timeline(self, moments: Sequence[int]) -> list[int]:
        """Return where moments of the source timeline, which are in order, are on the timeline."""
        if not self.starts:
            return list(moments)
        edges = [bisect_right(moments, start) for start in self.starts]
        result = list(moments[: edges[0]])
        for start, length, shift, first, last in zip(
            self.starts, self.lengths, self.sums[1:], edges, [*edges[1:], len(moments)], strict=True
        ):
            inside = bisect_left(moments, start + length, first, last)
            result += [start + length - shift] * (inside - first)
            result += [moment - shift for moment in moments[inside:last]]
        return result

    def to_source(self, moments: Iterable[int]) -> list[int]:
        """Return where moments of the timeline are on the source timeline.

        Where something is closed, that is the moment behind it.
        """
        points = list(map(sub, self.starts, self.sums))
        return [moment + self.sums[bisect_right(points, moment)] for moment in moments]


def _read_source(clips: Mapping[int, Clip], *, trusts_starts: bool = True) -> dict[int, Clip]:
    """Return clips of the timeline with their starts on the source timeline.

    The stored starts of deleted clips hold if they lead to where the clips are on the timeline. Of
    a track that old code has written, or a client has changed, they may not. Then what is closed
    under a clip that plays lies behind it, and what is closed at one moment is in the order of the
    stored starts.
    """
    deleted: dict[int, Clip] = {
        key: {**clip, "start_ms": get_cut(clip).get("start_ms", clip["start_ms"])}
        for key, clip in clips.items()
        if clip["deleted"]
    }
    closings = RippleMap(deleted)
    if not trusts_starts or any(
        closings.start_on_timeline(clip) != clips[key]["start_ms"]
        for key, clip in deleted.items()
        if find_closing(clip)
    ):
        deleted |= _derive_closings(clips, deleted)
        closings = RippleMap(deleted)
    starts = closings.to_source(clip["start_ms"] for clip in clips.values())
    source: dict[int, Clip] = {}
    for (key, clip), start in zip(clips.items(), starts, strict=True):
        stored = deleted.get(key)
        if stored and (
            find_closing(stored) or closings.start_on_timeline(stored) == clip["start_ms"]
        ):
            source[key] = stored
        else:
            source[key] = clip if start == clip["start_ms"] else {**clip, "start_ms": start}
    return source


def _derive_closings(clips: Mapping[int, Clip], stored: Mapping[int, Clip]) -> dict[int, Clip]:
    """Return the clips that were deleted by ripple, derived from where all are on the timeline."""
    playing = ClipIndex(
        (clip["start_ms"], key, clip["duration_ms"])
        for key, clip in clips.items()
        if not clip["deleted"]
    )
    order = []
    for key, stored_clip in stored.items():
        clip, closing = clips[key], find_closing(stored_clip)
        if closing is None:
            continue
        lead_ms, closed_ms = closing
        moment = clip["start_ms"] + lead_ms
        free = playing.find_free_moment(moment) if closed_ms else moment
        if free != moment:
            clip, lead_ms = with_closing({**clip, "start_ms": free}, (0, closed_ms)), 0
        stored_moment = stored_clip["start_ms"] + lead_ms
        order.append((free, stored_moment, clip["in_point_ms"], key, closed_ms, clip))
    result: dict[int, Clip] = {}
    total_ms = 0
    for *_, key, closed_ms, clip in sorted(order, key=itemgetter(0, 1, 2, 3)):
        result[key] = {**clip, "start_ms": clip["start_ms"] + total_ms}
        total_ms += closed_ms
    return result


class TrackEditor:
    """A track that operations change; a clip is known by its key, whatever its id and position.

    With positions on the timeline, for operations: ``find_key``, ``get_clip``, ``replace``,
    ``append``, ``remove`` and ``end_ms``. With positions on the source timeline, for cuts:
    ``clips`` and the indexes ``playing``, ``deleted`` and ``closings``, changed by ``detach``,
    ``insert_at``, ``delete``, ``take_out``, ``shift`` and, at the end of each cut, ``normalize``.

    When references become stale:

    - a clip from ``get_clip``, and ``end_ms``: with the next change, since clips behind it move;
    - a clip from ``clips``: when it is inserted again, and with ``shift``, ``take_out``,
      ``normalize``, and any edit of a deleted clip, which move others on the source timeline;
    - an index: with ``shift`` and all that shifts, which build new ones;
    - a key: with ``delete`` and ``remove``, and with `cutting.cut` and `cutting.restore_clip`,
      which delete the keys of clips that they join.
    """

    def __init__(self, track: Track) -> None:
        self.track = track
        self._stored: dict[int, Clip] = dict(enumerate(track["clips"]))
        self.order = list(self._stored)
        """The keys in the order of the track's list."""
        self._next_key = len(self.order)
        has_deleted = any(clip["deleted"] for clip in track["clips"])
        self._loaded = _read_source(self._stored) if has_deleted else self._stored
        self.clips = dict(self._loaded)
        """The clips by key, with their starts on the source timeline."""
        ids = [clip["id"] for clip in reversed(track["clips"])]
        self._keys = dict(zip(ids, reversed(self.order), strict=True))
        self._reset_indexes()
        self.normalize()
        self._is_changed = False

    def _reset_indexes(self) -> None:
        self._indexes: tuple[ClipIndex, ClipIndex] | None = None
        deleted = {key: clip for key, clip in self.clips.items() if clip["deleted"]}
        self.closings = RippleMap(deleted)
        self._may_be_covered = True

    def _get_indexes(self) -> tuple[ClipIndex, ClipIndex]:
        if self._indexes is None:
            rows: tuple[list[tuple[int, int, int]], ...] = ([], [])
            for key, clip in self.clips.items():
                rows[clip["deleted"]].append((clip["start_ms"], key, clip["duration_ms"]))
            self._indexes = ClipIndex(rows[0]), ClipIndex(rows[1])
        return self._indexes

    @property
    def playing(self) -> ClipIndex:
        """The clips that play."""
        return self._get_indexes()[0]

    @property
    def deleted(self) -> ClipIndex:
        """The clips that are deleted."""
        return self._get_indexes()[1]

    def find_key(self, clip_id: str) -> int | None:
        """Return the key of the clip with this id."""
        return self._keys.get(clip_id)

    @property
    def end_ms(self) -> int:
        """The end of the last clip that plays, on the timeline; 0 without any."""
        starts = self.closings.list_to_timeline(self.playing.starts)
        return max(map(add, starts, self.playing.lengths), default=0)

    def get_clip(self, key: int) -> Clip:
        """Return the clip as it is on the timeline now."""
        return self._to_stored(key, self.closings.start_on_timeline(self.clips[key]))

    def _to_stored(self, key: int, start_ms: int) -> Clip:
        """Return the clip as it is stored, the same object as before if it has not changed."""
        clip, stored = self.clips[key], self._stored.get(key)
        source_start_ms = clip["start_ms"]
        if start_ms != source_start_ms:
            clip = {**clip, "start_ms": start_ms}
        if clip["deleted"] and get_cut(clip).get("start_ms") != source_start_ms:
            clip = {**clip, "cut": {**get_cut(clip), "start_ms": source_start_ms}}
        elif self.clips[key] is self._loaded.get(key) and start_ms == self._stored[key]["start_ms"]:
            return self._stored[key]
        return stored if stored == clip else clip

    def replace(self, key: int, clip: Clip) -> None:
        """Change a clip; its position is on the timeline, on which no other clip moves."""
        self.take_out(key)
        self._insert_on_timeline(key, clip)

    def append(self, clip: Clip) -> int:
        """Add a clip at its position on the timeline, and return its key."""
        return self._insert_on_timeline(None, clip)

    def remove(self, key: int) -> None:
        """Remove a clip; no other clip moves on the timeline."""
        self.take_out(key)
        self.delete(key)

    def _insert_on_timeline(self, key: int | None, clip: Clip) -> int:
        """Insert an edited clip; a deleted one is no part of what it was cut from any more."""
        (start,) = self.closings.to_source([clip["start_ms"]])
        clip = {**clip, "start_ms": start}
        if clip["deleted"]:
            cut = get_cut(clip)
            clip["cut"] = {"mode": cut["mode"], "segment_id": cut["segment_id"]}
            if closing := find_closing(clip):
                self.shift(start, closing[1])
        key = self.insert_at(key, clip)
        self.normalize()
        return key

    def detach(self, key: int) -> Clip:
        """Take a clip from the source timeline, until it is inserted again or deleted."""
        clip = self.clips.pop(key)
        if self._indexes is not None:
            self._indexes[clip["deleted"]].remove(key)
        if key in self.closings.keys:
            self.closings.remove(key)
        if self._keys.get(clip["id"]) == key:
            del self._keys[clip["id"]]
        self._is_changed = True
        return clip

    def insert_at(self, key: int | None, clip: Clip) -> int:
        """Insert a clip at its start on the source timeline, a new or a detached one.

        Return its key. Call `normalize` when all clips are inserted.
        """
        if key is None:
            key, self._next_key = self._next_key, self._next_key + 1
            self.order.append(key)
        self.clips[key] = clip
        self._keys.setdefault(clip["id"], key)
        if self._indexes is not None:
            index = self._indexes[clip["deleted"]]
            index.insert(key, clip["start_ms"], clip["duration_ms"])
        lead_ms, closed_ms = find_closing(clip) or (0, 0)
        begin = clip["start_ms"] + lead_ms
        if closed_ms:
            self.closings.insert(key, begin, closed_ms)
            covering = self.playing.list_overlapping(begin, begin + closed_ms)
        else:
            covering = (
                [] if clip["deleted"] else self.closings.list_overlapping(begin, end_of(clip))
            )
        self._may_be_covered = self._may_be_covered or bool(covering)
        self._is_changed = True
        return key

    def delete(self, key: int) -> None:
        """Delete the key of a detached clip."""
        self.order.remove(key)

    def take_out(self, key: int) -> Clip:
        """Detach a clip, and remove from the source timeline what it has closed."""
        clip = self.detach(key)
        lead_ms, closed_ms = find_closing(clip) or (0, 0)
        if closed_ms:
            self.shift(clip["start_ms"] + lead_ms + closed_ms, -closed_ms)
        return clip

    def shift(self, from_ms: int, shift_ms: int) -> None:
        """Move all that begins then or later on the source timeline; nothing is overtaken."""
        for key, clip in self.clips.items():
            start = clip["start_ms"]
            moved = start + shift_ms if start >= from_ms else min(start, from_ms + shift_ms)
            if moved != start:
                self.clips[key] = {**clip, "start_ms": moved}
        self._reset_indexes()
        self._is_changed = True

    def normalize(self) -> None:
        """Move what is closed under a clip that plays behind it; no clip moves on the timeline."""
        if self._may_be_covered and self._has_covered():
            timeline = {key: self.get_clip(key) for key in self.order}
            self.clips = _read_source(timeline, trusts_starts=False)
            self._reset_indexes()
        self._may_be_covered = False

    def _has_covered(self) -> bool:
        """Return True if something is closed twice, or under a clip that plays."""
        if not self.closings.keys:
            return False
        starts, lengths = self.closings.starts, self.closings.lengths
        ends = list(map(add, starts, lengths))
        if any(map(gt, ends, starts[1:])):
            return True
        reach = self.playing.reach
        for start, end in zip(starts, ends, strict=True):
            count = bisect_left(self.playing.starts, end)
            if count and reach[count - 1] > start:
                return True
        return False

    def finish(self) -> Track:
        """Return the track after all edits; the same object if there were none."""
        if not self._is_changed:
            return self.track
        if not self.closings.keys:
            starts = {key: clip["start_ms"] for key, clip in self.clips.items()}
        else:
            on_timeline = self.closings.list_to_timeline(self.playing.starts)
            starts = dict(zip(self.playing.keys, on_timeline, strict=True))
            for key in self.deleted.keys:
                starts[key] = self.closings.start_on_timeline(self.clips[key])
        return {**self.track, "clips": [self._to_stored(key, starts[key]) for key in self.order]}
