"""Tracks the plain way: every position is worked out each time, from all clips.

What `projects.timeline.track_editor` keeps right from edit to edit must be what this computes.
"""

from itertools import pairwise
from typing import Any

from projects.timeline.content import Clip, Content, Track, end_of
from projects.timeline.draft import Draft
from projects.timeline.track_editor import ClipIndex, find_closing, get_cut, with_closing


def apply(content: Content, operation: Any) -> Content:
    """The content after one of the operations that cut and restore."""
    draft = PlainDraft(content)
    operation.apply(draft)
    return draft.content()


class PlainDraft(Draft):
    """A draft of plain tracks."""

    def __init__(self, content: Content) -> None:
        super().__init__(content)
        tracks: list[Any] = [PlainTrack(track) for track in content.tracks]
        self.tracks = tracks


class PlainTrack:
    """A track as its clips on the source timeline."""

    def __init__(self, track: Track) -> None:
        self.track = track
        self.clips: dict[int, Clip] = dict(enumerate(track["clips"]))
        self.order = list(self.clips)
        self.is_changed = False
        self._read()

    def _read(self) -> None:
        """Have stored clips begin where they do on the source timeline."""
        stored = dict(self.clips)
        for key, clip in stored.items():
            if clip["deleted"]:
                start = get_cut(clip).get("start_ms", clip["start_ms"])
                self.clips[key] = {**clip, "start_ms": start}
        closed = self._closed()
        for key, clip in stored.items():
            behind = clip["start_ms"] + sum(
                length for start, length in closed if self._on_timeline(start) <= clip["start_ms"]
            )
            if not clip["deleted"] or self._start(self.clips[key]) != clip["start_ms"]:
                self.clips[key] = {**clip, "start_ms": behind}

    def _closed(self) -> list[tuple[int, int]]:
        """Where what is closed begins on the source timeline, and how much that is."""
        closings = [(clip, find_closing(clip)) for clip in self.clips.values()]
        return sorted(
            (clip["start_ms"] + closing[0], closing[1])
            for clip, closing in closings
            if closing and closing[1]
        )

    def _on_timeline(self, moment: int) -> int:
        """Count the time before a moment that is not closed."""
        closed = 0
        for start, length in self._closed():
            closed += min(max(moment - start, 0), length)
        return moment - closed

    def _start(self, clip: Clip) -> int:
        lead = (find_closing(clip) or (0, 0))[0]
        return max(self._on_timeline(clip["start_ms"] + lead) - lead, 0)

    def _index(self, deleted: bool) -> ClipIndex:
        return ClipIndex(
            (clip["start_ms"], key, clip["duration_ms"])
            for key, clip in self.clips.items()
            if clip["deleted"] == deleted
        )

    @property
    def playing(self) -> ClipIndex:
        return self._index(deleted=False)

    @property
    def deleted(self) -> ClipIndex:
        return self._index(deleted=True)

    @property
    def closings(self) -> ClipIndex:
        closings = [(key, clip, find_closing(clip)) for key, clip in self.clips.items()]
        return ClipIndex(
            (clip["start_ms"] + closing[0], key, closing[1])
            for key, clip, closing in closings
            if closing and closing[1]
        )

    def find_key(self, clip_id: str) -> int | None:
        return next((key for key in self.order if self.clips[key]["id"] == clip_id), None)

    def detach(self, key: int) -> Clip:
        self.is_changed = True
        return self.clips.pop(key)

    def insert_at(self, key: int | None, clip: Clip) -> int:
        if key is None:
            key = max(self.order, default=-1) + 1
            self.order.append(key)
        self.clips[key] = clip
        return key

    def delete(self, key: int) -> None:
        self.order.remove(key)

    def take_out(self, key: int) -> Clip:
        clip = self.detach(key)
        lead, length = find_closing(clip) or (0, 0)
        self.shift(clip["start_ms"] + lead + length, -length)
        return clip

    def shift(self, from_ms: int, shift_ms: int) -> None:
        for key, clip in self.clips.items():
            start = clip["start_ms"]
            start = start + shift_ms if start >= from_ms else min(start, from_ms + shift_ms)
            self.clips[key] = {**clip, "start_ms": start}

    def normalize(self) -> None:
        """Write all and read it again; what is closed under a clip that plays goes behind it."""
        is_covered = self._is_covered()
        self.clips = {key: self._stored(key) for key in self.order}
        if is_covered:
            self._uncover()
        self._read()

    def _is_covered(self) -> bool:
        """Whether anything is closed twice, or under a clip that plays."""
        closed = self._closed()
        playing = [clip for clip in self.clips.values() if not clip["deleted"]]
        return any(
            start + length > following for (start, length), (following, _) in pairwise(closed)
        ) or any(
            clip["start_ms"] < start + length and start < end_of(clip)
            for start, length in closed
            for clip in playing
        )

    def _uncover(self) -> None:
        """Write where what is closed lies on the source timeline, each thing behind the others."""
        playing = [clip for clip in self.clips.values() if not clip["deleted"]]
        moments = []
        for key, clip in list(self.clips.items()):
            if closing := find_closing(clip):
                lead, length = closing
                moment = free = clip["start_ms"] + lead
                while length and (
                    ends := [end_of(c) for c in playing if c["start_ms"] < free < end_of(c)]
                ):
                    free = max(ends)
                if free != moment:
                    lead = 0
                    self.clips[key] = with_closing({**clip, "start_ms": free}, (0, length))
                stored = clip["cut"]["start_ms"] + lead
                moments.append((free, stored, clip["in_point_ms"], key, length))
        total = 0
        for *_, key, length in sorted(moments):
            clip = self.clips[key]
            cut = {**clip["cut"], "start_ms": clip["start_ms"] + total}
            self.clips[key] = {**clip, "cut": cut}
            total += length

    def _stored(self, key: int) -> Clip:
        clip = self.clips[key]
        start = self._start(clip)
        if clip["deleted"]:
            clip = {**clip, "cut": {**get_cut(clip), "start_ms": clip["start_ms"]}}
        return {**clip, "start_ms": start}

    def finish(self) -> Track:
        if not self.is_changed:
            return self.track
        return {**self.track, "clips": [self._stored(key) for key in self.order]}
