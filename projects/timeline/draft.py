"""The content while operations change it, and how much they may do together."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

from projects.documents import MAX_CHOSEN_WORDS, MAX_CUTS
from projects.timeline import rules
from projects.timeline.content import Content, EditError, Segment, share_unchanged
from projects.timeline.sources import UNKNOWN_MEDIA
from projects.timeline.track_editor import TrackEditor


@dataclass(frozen=True)
class Removed:
    """How many ranges an operation has searched out and cut, and their time on the timeline.

    What several tracks play counts once.
    """

    op: str
    count: int
    cut_ms: int


class Draft:
    """Tracks, segments and the captions' style, which operations change; the content stays."""

    def __init__(
        self, content: Content, lengths: Mapping[str, int | None] = MappingProxyType({})
    ) -> None:
        self._before = content
        self._lengths = lengths
        self.operation = 0, ""
        """Index and name of the operation that is being applied."""
        self.operation_by_clip: dict[str, tuple[int, str]] = {}
        """Index and name of the last operation that concerned a clip, by the clip's id."""
        self.tracks = [TrackEditor(track) for track in content.tracks]
        self.segments = list(content.segments)
        self.captions_style = content.captions_style
        self.removed: list[Removed] = []
        self._edges: dict[str, list[int]] = {}
        self._cut_count = self._word_count = 0

    def content(self) -> Content:
        """Return the result; what has not changed is the same object as before."""
        before = self._before
        tracks = share_unchanged([track.finish() for track in self.tracks], before.tracks)
        segments = share_unchanged(self.segments, before.segments)
        is_same_style = self.captions_style == before.captions_style
        if tracks is before.tracks and segments is before.segments and is_same_style:
            return before
        return Content(tracks, segments, self.captions_style)

    def get_track(self, track_id: str) -> TrackEditor:
        """Return the track; raise ``EditError`` if there is none."""
        for track in self.tracks:
            if track.track["id"] == track_id:
                return track
        raise EditError("track_id", "unknown_track", "The EDL has no such track.")

    def get_clip_key(self, clip_id: str) -> tuple[TrackEditor, int]:
        """Return the clip's track, and its key there; raise ``EditError`` if there is none."""
        self.note_clip(clip_id)
        for track in self.tracks:
            key = track.find_key(clip_id)
            if key is not None:
                return track, key
        raise EditError("clip_id", "unknown_clip", "The EDL has no such clip.")

    def note_clip(self, clip_id: str) -> None:
        """Note that the current operation concerns this clip, so that errors name it."""
        self.operation_by_clip[clip_id] = self.operation

    def get_media_length(self, media_file_id: str) -> int:
        """Return how long the media file lasts, in ms; raise ``EditError`` if that is unknown."""
        if media_file_id not in self._lengths:
            raise EditError("media_file_id", *UNKNOWN_MEDIA)
        length = self._lengths[media_file_id]
        if length is None:
            detail = "A picture has no end of its own: say where the clip ends."
            raise EditError("out_point_ms", "no_length", detail)
        return length

    def get_segment_index(self, segment_id: str) -> int:
        """Return the segment's index; raise ``EditError`` if there is none."""
        if segment_id not in self._segment_indexes:
            raise EditError("segment_id", "unknown_segment", "The transcript has no such segment.")
        return self._segment_indexes[segment_id]

    @cached_property
    def _segment_indexes(self) -> dict[str, int]:
        """Of two segments with the same id, the first counts."""
        segments = self._before.segments
        ids = [segment["id"] for segment in reversed(segments)]
        return dict(zip(ids, reversed(range(len(segments))), strict=True))

    def word_edges(self, segment: Segment) -> list[int]:
        """Return where the words begin, from the segment's start to its end.

        No operation moves them.
        """
        if segment["id"] not in self._edges:
            edges = [segment["start_ms"]]
            for word in segment["words"][1:]:
                edges.append(max(edges[-1], min(word["start_ms"], segment["end_ms"])))
            self._edges[segment["id"]] = [*edges, max(edges[-1], segment["end_ms"])]
        return self._edges[segment["id"]]

    def count_cuts(self, cuts: int) -> None:
        """Count clips that will be cut or restored; raise ``EditError`` if there are too many."""
        self._cut_count += cuts
        if self._cut_count > MAX_CUTS:
            raise EditError(
                "op", "too_many_cuts", f"Clips are cut or brought back at most {MAX_CUTS} times."
            )

    def count_words(self, words: int) -> None:
        """Count words before they are searched; raise ``EditError`` if there are too many."""
        self._word_count += words
        if self._word_count > MAX_CHOSEN_WORDS:
            raise EditError(
                "op", "too_many_words", f"At most {MAX_CHOSEN_WORDS} words are looked at at once."
            )

    def check_clips(self) -> None:
        """Raise a 400 if there are more clips than an EDL may have."""
        rules.check_clips(sum(len(track.order) for track in self.tracks))
