"""Edit by text: delete and restore words and segments, and with them the clips that play them.

The words of a segment cover all of its time, each with the pause behind it; so deleting words one
by one cuts what deleting the segment cuts.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence

from projects.timeline.content import Clip, EditError, Segment, Word, replace_at, without
from projects.timeline.cutting import check_overlaps, restore_clip
from projects.timeline.dividing import TimeRange
from projects.timeline.draft import Draft
from projects.timeline.fields import Mode
from projects.timeline.origins import get_deletion
from projects.timeline.source_ranges import SourceRanges, cut_out


def edit_word(draft: Draft, segment_id: str, index: int, text: str | None) -> None:
    """Show another word than was heard, or (None) the one that was."""
    segment_index = draft.get_segment_index(segment_id)
    segment = draft.segments[segment_index]
    _check_word(segment, index)
    old = segment["words"][index]
    word = without(old, "edited_word", "deleted")
    if text is not None:
        word = {**word, "edited_word": text}
    if old.get("deleted"):
        word = {**word, "deleted": True}
    draft.segments[segment_index] = {**segment, "words": replace_at(segment["words"], index, word)}


def delete_segment(draft: Draft, segment_id: str, mode: Mode) -> None:
    """Mark the segment and cut out what plays it, on every track."""
    index = draft.get_segment_index(segment_id)
    segment = draft.segments[index]
    if not segment["deleted"]:
        _cut_out(draft, segment, [(segment["start_ms"], segment["end_ms"])], mode)
        draft.segments[index] = {**segment, "deleted": True}


def restore_segment(draft: Draft, segment_id: str, mode: Mode | None) -> None:
    """Restore the segment except for words that were deleted one by one."""
    index = draft.get_segment_index(segment_id)
    if draft.segments[index]["deleted"]:
        segment: Segment = {**draft.segments[index], "deleted": False}
        _restore_clips(draft, segment, mode)
        draft.segments[index] = segment


def delete_words(draft: Draft, segment_id: str, indexes: range, mode: Mode) -> None:
    """Mark the words and cut out what plays them."""
    segment_index, segment, words = _get_words(draft, segment_id, indexes)
    new = [index for index in indexes if not words[index].get("deleted")]
    _cut_out(draft, segment, _word_ranges(draft, segment, new), mode)
    for index in new:
        words[index] = {**words[index], "deleted": True}
    draft.segments[segment_index] = {**segment, "words": words}


def restore_words(draft: Draft, segment_id: str, indexes: range, mode: Mode | None) -> None:
    """Restore the words, and what plays them."""
    segment_index, segment, words = _get_words(draft, segment_id, indexes)
    for index in indexes:
        words[index] = without(words[index], "deleted")
    restored: Segment = {**segment, "words": words}
    _restore_clips(draft, restored, mode)
    draft.segments[segment_index] = restored


def _cut_out(draft: Draft, segment: Segment, ranges: Sequence[TimeRange], mode: Mode) -> None:
    """Cut the ranges, which are in order, out of what plays them."""
    of_media = SourceRanges((source, segment["id"]) for source in ranges)
    cut_out(draft, {segment["media_file_id"]: of_media}, mode)


def _restore_clips(draft: Draft, segment: Segment, mode: Mode | None) -> None:
    """Restore all that was cut out for the segment, except for its deleted words."""
    words = segment["words"]
    draft.count_words(len(words))
    deleted_words = [index for index, word in enumerate(words) if word.get("deleted")]
    still_deleted = _word_ranges(draft, segment, deleted_words)
    for track in draft.tracks:
        keys = [key for key in track.order if _was_cut_for(track.clips[key], segment)]
        clips = [(track.clips[key], key) for key in keys]
        clips.sort(key=lambda item: (item[0]["start_ms"], item[0]["in_point_ms"]))
        for clip, key in clips:
            remaining = _list_overlapping(get_deletion(clip).range, still_deleted)
            draft.count_cuts(1 + len(remaining))
            if key in track.clips:
                restore_clip(track, key, remaining, mode=mode)
                draft.check_clips()
        if any((mode or get_deletion(clip).mode) == "gap" for clip, _ in clips):
            check_overlaps(track)


def _was_cut_for(clip: Clip, segment: Segment) -> bool:
    cut = clip.get("cut") if clip["deleted"] else None
    return bool(cut and cut["segment_id"] == segment["id"])


def _list_overlapping(source: TimeRange, ranges: Sequence[TimeRange]) -> Sequence[TimeRange]:
    """Return those of the ranges, which are in order, that share some time with a range."""
    first = bisect_right(ranges, source[0], key=lambda other: other[1])
    return ranges[first : bisect_left(ranges, source[1], key=lambda other: other[0])]


def _word_ranges(draft: Draft, segment: Segment, indexes: Iterable[int]) -> list[TimeRange]:
    """Return the time of words, each with the pause behind it; those that touch as one."""
    edges = draft.word_edges(segment)
    ranges: list[TimeRange] = []
    for index in indexes:
        begin, end = edges[index], edges[index + 1]
        if ranges and ranges[-1][1] == begin:
            begin = ranges.pop()[0]
        ranges.append((begin, end))
    return [source for source in ranges if source[0] < source[1]]


def _get_words(draft: Draft, segment_id: str, indexes: range) -> tuple[int, Segment, list[Word]]:
    """Return a segment that is not deleted, with its index, and a list of its words to change."""
    index = draft.get_segment_index(segment_id)
    segment = draft.segments[index]
    if segment["deleted"]:
        raise EditError(
            "segment_id", "segment_deleted", "The segment is deleted: restore it first."
        )
    _check_word(segment, indexes[-1])
    draft.count_words(len(indexes))
    return index, segment, list(segment["words"])


def _check_word(segment: Segment, index: int) -> None:
    if index >= len(segment["words"]):
        raise EditError("word", "unknown_word", "The segment has no such word.")
