"""The content while operations are made on it, and how much they may do together."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from operator import is_
from types import MappingProxyType

from projects.documents import MAX_CHOSEN_WORDS, MAX_CUTS
from projects.timeline import rules
from projects.timeline.content import Content, EditError, Segment, Track
from projects.timeline.sources import UNKNOWN_MEDIA
from projects.timeline.track_editor import TrackEditor


@dataclass(frozen=True)
class Removed:
    """What an operation has found itself and cut: how many, and their time on the timeline.

    What several tracks play counts once.
    """

    op: str
    count: int
    cut_ms: int


class Draft:
    """Tracks and segments that operations change, found by their ids, and the captions' style.

    The content that it was made of stays as it was.
    """

    def __init__(
        self, content: Content, lengths: Mapping[str, int | None] = MappingProxyType({})
    ) -> None:
        self._before = content
        self._lengths = lengths
        self.operation = 0
        """The index of the one that is being made."""
        self.named_by: dict[str, int] = {}
        """Which operation was the last to name or make a clip, by the clip's id."""
        self.lanes = [TrackEditor(track) for track in content.tracks]
        self.segments = list(content.segments)
        self.captions_style = content.captions_style
        self._edges: dict[str, list[int]] = {}
        self.removed: list[Removed] = []
        self._cuts = self._words = 0

    def content(self) -> Content:
        """What has come of it; what has not changed is the same object as before."""
        before = self._before
        tracks: list[Track] = [lane.finished() for lane in self.lanes]
        if _same(tracks, before.tracks):
            tracks = before.tracks
        segments = self.segments
        if _same(segments, before.segments):
            segments = before.segments
        same_style = self.captions_style == before.captions_style
        if tracks is before.tracks and segments is before.segments and same_style:
            return before
        return Content(tracks, segments, self.captions_style)

    def lane(self, track_id: str) -> TrackEditor:
        """The track; raises ``EditError``."""
        for lane in self.lanes:
            if lane.track["id"] == track_id:
                return lane
        raise EditError("track_id", "unknown_track", "The EDL has no such track.")

    def find(self, clip_id: str) -> tuple[TrackEditor, int]:
        """The clip's track, and its key there; raises ``EditError``."""
        self.note(clip_id)
        for lane in self.lanes:
            key = lane.key_of(clip_id)
            if key is not None:
                return lane, key
        raise EditError("clip_id", "unknown_clip", "The EDL has no such clip.")

    def note(self, clip_id: str) -> None:
        """The operation that is being made is about this clip."""
        self.named_by[clip_id] = self.operation

    def length_of(self, media_file_id: str) -> int:
        """How long the media file lasts, in ms; raises ``EditError``."""
        if media_file_id not in self._lengths:
            raise EditError("media_file_id", *UNKNOWN_MEDIA)
        length = self._lengths[media_file_id]
        if length is None:
            detail = "A picture has no end of its own: say where the clip ends."
            raise EditError("out_point_ms", "no_length", detail)
        return length

    def place_of(self, segment_id: str) -> int:
        """The segment's index; raises ``EditError``."""
        if segment_id not in self._places:
            raise EditError("segment_id", "unknown_segment", "The transcript has no such segment.")
        return self._places[segment_id]

    @cached_property
    def _places(self) -> dict[str, int]:
        """Of two with one id the first counts."""
        segments = self._before.segments
        ids = [segment["id"] for segment in reversed(segments)]
        return dict(zip(ids, reversed(range(len(segments))), strict=True))

    def edges(self, segment: Segment) -> list[int]:
        """Where its words begin, from the segment's start to its end: no operation moves them."""
        if segment["id"] not in self._edges:
            self._edges[segment["id"]] = _edges(segment)
        return self._edges[segment["id"]]

    def count_cuts(self, cuts: int) -> None:
        """Before clips are cut or brought back; raises ``EditError`` where it is too often."""
        self._cuts += cuts
        if self._cuts > MAX_CUTS:
            raise EditError(
                "op", "too_many_cuts", f"Clips are cut or brought back at most {MAX_CUTS} times."
            )

    def count_words(self, words: int) -> None:
        """Before words are looked at; raises ``EditError`` where there are too many."""
        self._words += words
        if self._words > MAX_CHOSEN_WORDS:
            raise EditError(
                "op", "too_many_words", f"At most {MAX_CHOSEN_WORDS} words are looked at at once."
            )

    def check_clips(self) -> None:
        """Refuse more clips than an EDL has, while they come."""
        rules.check_clips(sum(len(lane.order) for lane in self.lanes))


def _same(after: list[Track] | list[Segment], before: list[Track] | list[Segment]) -> bool:
    return len(after) == len(before) and all(map(is_, after, before))


def _edges(segment: Segment) -> list[int]:
    edges = [segment["start_ms"]]
    for word in segment["words"][1:]:
        edges.append(max(edges[-1], min(word["start_ms"], segment["end_ms"])))
    return [*edges, max(edges[-1], segment["end_ms"])]
