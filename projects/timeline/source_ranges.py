"""Cut ranges of media files out of all clips that play them, on every track."""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Container, Iterable, Mapping

from projects.documents import MAX_FOUND_CUTS
from projects.timeline.content import Clip, EditError, on_timeline, speed_permille
from projects.timeline.cutting import SourceCut, cut, has_hidden_parts
from projects.timeline.draft import Draft
from projects.timeline.fields import Mode
from projects.timeline.track_editor import TrackEditor


class SourceRanges:
    """Ranges of one media file, in the order of time; none overlaps another."""

    def __init__(self, cuts: Iterable[SourceCut]) -> None:
        self.all = list(cuts)
        self._begins = [source[0] for source, _ in self.all]
        self._ends = [source[1] for source, _ in self.all]

    def find_indexes(self, clip: Clip) -> range:
        """Return the indexes of the ranges that a clip plays, if it plays this file."""
        begin, end = clip["in_point_ms"], clip["out_point_ms"]
        if not self.all or end <= self._begins[0] or begin >= self._ends[-1]:
            return range(0)
        return range(bisect_right(self._ends, begin), bisect_left(self._begins, end))


RangesByMedia = Mapping[str, SourceRanges]
RangeIndex = tuple[str, int]
"""A media file, and the index of one of its ranges."""
PlayingClips = list[tuple[TrackEditor, dict[int, range]]]
"""Of each track the keys of clips that play ranges, or would without their neighbours."""


def find_playing_clips(draft: Draft, ranges: RangesByMedia) -> PlayingClips:
    """Return the clips that play any of the ranges; each clip is looked at once."""
    result: PlayingClips = []
    for track in draft.tracks:
        by_key: dict[int, range] = {}
        for key in track.order:
            clip = track.clips[key]
            of_media = ranges.get(clip["media_file_id"])
            indexes = of_media.find_indexes(clip) if of_media else None
            if indexes and (not clip["deleted"] or has_hidden_parts(clip)):
                by_key[key] = indexes
        result.append((track, by_key))
    return result


def cut_out(draft: Draft, ranges: RangesByMedia, mode: Mode) -> None:
    """Cut the ranges out of all that plays them; raise ``EditError``."""
    cut_playing_clips(draft, find_playing_clips(draft, ranges), ranges, mode)


def cut_playing_clips(
    draft: Draft,
    playing: PlayingClips,
    ranges: RangesByMedia,
    mode: Mode,
    only: Container[RangeIndex] | None = None,
) -> None:
    """Cut the ranges, or ``only`` some of them, out of the clips; raise ``EditError``."""
    draft.count_cuts(_count_cuts(playing))
    for track, by_key in playing:
        for key, indexes in by_key.items():
            if key in track.clips:
                media = track.clips[key]["media_file_id"]
                chosen = [index for index in indexes if only is None or (media, index) in only]
                cut(track, key, [ranges[media].all[index] for index in chosen], mode=mode)
                draft.check_clips()


def _count_cuts(playing: PlayingClips) -> int:
    return sum(len(indexes) for _, by_key in playing for indexes in by_key.values())


def measure_seen(playing: PlayingClips, ranges: RangesByMedia) -> dict[RangeIndex, int]:
    """Return for how long each range is seen that is seen: on the track that plays most of it.

    Raise ``EditError`` if there are more clips to cut than one operation may.
    """
    if _count_cuts(playing) > MAX_FOUND_CUTS:
        raise EditError(
            "op", "too_many_cuts", f"One operation finds at most {MAX_FOUND_CUTS} cuts to make."
        )
    longest: Counter[RangeIndex] = Counter()
    for track, by_key in playing:
        seen: Counter[RangeIndex] = Counter()
        for key, indexes in by_key.items():
            clip = track.clips[key]
            if clip["deleted"]:
                continue
            media, permille = clip["media_file_id"], speed_permille(clip["effects"])
            for index in indexes:
                begin, end = ranges[media].all[index][0]
                source_ms = min(end, clip["out_point_ms"]) - max(begin, clip["in_point_ms"])
                seen[media, index] += on_timeline(source_ms, permille)
        longest |= seen
    return dict(longest)
