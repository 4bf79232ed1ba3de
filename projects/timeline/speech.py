"""Editing by text: words and segments deleted and restored, and with them what plays them.

Between them the words of a segment cover all of its time, each with the pause behind it; so
deleting words one by one cuts what deleting the segment cuts.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence

from projects.timeline.content import Clip, EditError, Segment, Word, replaced, without
from projects.timeline.cutting import asked_of, check_free_time, mode_of, restore_clip
from projects.timeline.dividing import Span
from projects.timeline.draft import Draft
from projects.timeline.source_ranges import SourceRanges, cut_out
from projects.timeline.track_editor import TrackEditor


def edit_word(draft: Draft, *, segment_id: str, index: int, text: str | None) -> None:
    """Show another word than was heard, or (None) the one that was."""
    place = draft.place_of(segment_id)
    segment = draft.segments[place]
    heard = _word(segment, index)
    word = without(heard, "edited_word", "deleted")
    if text is not None:
        word = {**word, "edited_word": text}
    if heard.get("deleted"):
        word = {**word, "deleted": True}
    draft.segments[place] = {**segment, "words": replaced(segment["words"], index, word)}


def delete_segment(draft: Draft, *, segment_id: str, mode: str) -> None:
    """Mark it and cut out what plays it, on every track."""
    place = draft.place_of(segment_id)
    segment = draft.segments[place]
    if not segment["deleted"]:
        _cut_out(draft, segment, [(segment["start_ms"], segment["end_ms"])], mode)
        draft.segments[place] = {**segment, "deleted": True}


def restore_segment(draft: Draft, *, segment_id: str, mode: str | None) -> None:
    """Bring it back but for the words that had been deleted one by one."""
    place = draft.place_of(segment_id)
    if draft.segments[place]["deleted"]:
        alive: Segment = {**draft.segments[place], "deleted": False}
        _bring_back(draft, alive, mode)
        draft.segments[place] = alive


def delete_words(draft: Draft, *, segment_id: str, indexes: range, mode: str) -> None:
    """Mark the words and cut out what plays them."""
    place, segment = _alive(draft, segment_id)
    words = _words(draft, segment, indexes)
    fresh = [index for index in indexes if not words[index].get("deleted")]
    _cut_out(draft, segment, _spans(draft.edges(segment), fresh), mode)
    for index in fresh:
        words[index] = {**words[index], "deleted": True}
    draft.segments[place] = {**segment, "words": words}


def restore_words(draft: Draft, *, segment_id: str, indexes: range, mode: str | None) -> None:
    """Bring the words back, and what plays them."""
    place, segment = _alive(draft, segment_id)
    words = _words(draft, segment, indexes)
    for index in indexes:
        words[index] = without(words[index], "deleted")
    after: Segment = {**segment, "words": words}
    _bring_back(draft, after, mode)
    draft.segments[place] = after


def _cut_out(draft: Draft, segment: Segment, spans: Sequence[Span], mode: str) -> None:
    """Cut the spans, which are in order, out of what plays them."""
    some = SourceRanges((span, segment["id"]) for span in spans)
    cut_out(draft, {segment["media_file_id"]: some}, mode)


def _bring_back(draft: Draft, segment: Segment, mode: str | None) -> None:
    """Have all play again that was cut out for the segment, but for its deleted words."""
    words = segment["words"]
    draft.count_words(len(words))
    deleted = [index for index, word in enumerate(words) if word.get("deleted")]
    gone = _spans(draft.edges(segment), deleted)
    for lane in draft.lanes:
        ghosts = [key for key in lane.order if _was_cut_for(lane.clips[key], segment)]
        if ghosts:
            _bring_back_on(draft, lane, ghosts, gone, mode)


def _bring_back_on(
    draft: Draft, lane: TrackEditor, ghosts: list[int], gone: Sequence[Span], mode: str | None
) -> None:
    clips = [(lane.uncut(key), key) for key in ghosts]
    clips.sort(key=lambda each: (each[0]["start_ms"], each[0]["in_point_ms"]))
    for ghost, key in clips:
        still = _meeting(asked_of(ghost), gone)
        draft.count_cuts(1 + len(still))
        if key in lane.clips:
            restore_clip(lane, key, still, mode=mode)
            draft.check_clips()
    if any(mode_of(ghost, mode) == "gap" for ghost, _ in clips):
        check_free_time(lane)


def _was_cut_for(clip: Clip, segment: Segment) -> bool:
    cut_as = clip.get("cut") if clip["deleted"] else None
    return bool(cut_as and cut_as["segment_id"] == segment["id"])


def _meeting(span: Span, others: Sequence[Span]) -> Sequence[Span]:
    """Those of the others, which are in order, that share some time with a span."""
    first = bisect_right(others, span[0], key=lambda each: each[1])
    return others[first : bisect_left(others, span[1], key=lambda each: each[0])]


def _spans(edges: Sequence[int], indexes: Iterable[int]) -> list[Span]:
    """The time of the words that begin at these edges, neighbours together."""
    spans: list[Span] = []
    for index in indexes:
        begin, end = edges[index], edges[index + 1]
        if spans and spans[-1][1] == begin:
            begin = spans.pop()[0]
        spans.append((begin, end))
    return [span for span in spans if span[0] < span[1]]


def _alive(draft: Draft, segment_id: str) -> tuple[int, Segment]:
    place = draft.place_of(segment_id)
    segment = draft.segments[place]
    if segment["deleted"]:
        raise EditError(
            "segment_id", "segment_deleted", "The segment is deleted: restore it first."
        )
    return place, segment


def _words(draft: Draft, segment: Segment, indexes: range) -> list[Word]:
    """All words of the segment, which has those that are looked at."""
    _word(segment, indexes[-1])
    draft.count_words(len(indexes))
    return list(segment["words"])


def _word(segment: Segment, index: int) -> Word:
    if index >= len(segment["words"]):
        raise EditError("word", "unknown_word", "The segment has no such word.")
    return segment["words"][index]
