"""Editing by text: words and segments deleted and restored, and with them what plays them.

Between them the words of a segment cover all of its time, each with the pause behind it; so
deleting words one by one cuts what deleting the segment cuts.
"""

from collections.abc import Iterable
from typing import Any

from projects.timeline.content import (
    Clip,
    Content,
    Refused,
    Segment,
    Track,
    find_segment,
    replaced,
    with_clips,
)
from projects.timeline.placing import Span, bring_back, cut


def edit_word(content: Content, *, segment_id: str, index: int, text: str | None) -> Content:
    """Show another word than was heard, or (None) the one that was."""
    place = find_segment(content.segments, segment_id)
    segment = content.segments[place]
    word = _without(_word(segment, index), "edited_word")
    deleted = {"deleted": True} if word.pop("deleted", False) else {}
    edited = {} if text is None else {"edited_word": text}
    words = replaced(segment["words"], index, {**word, **edited, **deleted})
    return content.with_segment(place, {**segment, "words": words})


def edit_segment(content: Content, *, segment_id: str, fields: dict[str, Any]) -> Content:
    """Set ``edited_text`` or ``speaker``."""
    place = find_segment(content.segments, segment_id)
    return content.with_segment(place, {**content.segments[place], **fields})


def delete_segment(content: Content, *, segment_id: str, mode: str) -> Content:
    """Mark it and cut out what plays it, on every track."""
    place = find_segment(content.segments, segment_id)
    segment = content.segments[place]
    if segment["deleted"]:
        return content
    tracks = _cut_out(content.tracks, segment, [(segment["start_ms"], segment["end_ms"])], mode)
    return content.with_tracks(tracks).with_segment(place, {**segment, "deleted": True})


def restore_segment(content: Content, *, segment_id: str, mode: str | None) -> Content:
    """Bring it back but for the words that had been deleted one by one."""
    place = find_segment(content.segments, segment_id)
    segment = content.segments[place]
    if not segment["deleted"]:
        return content
    alive = {**segment, "deleted": False}
    return content.with_tracks(_brought_back(content.tracks, alive, mode)).with_segment(
        place, alive
    )


def delete_words(content: Content, *, segment_id: str, first: int, last: int, mode: str) -> Content:
    """Mark the words and cut out what plays them."""
    place, segment = _alive(content, segment_id)
    words = _words_between(segment, first, last)
    fresh = [index for index in words if not segment["words"][index].get("deleted")]
    marked = {index: {**segment["words"][index], "deleted": True} for index in fresh}
    tracks = _cut_out(content.tracks, segment, _spans(segment, fresh), mode)
    return content.with_tracks(tracks).with_segment(place, _with_words(segment, marked))


def restore_words(
    content: Content, *, segment_id: str, first: int, last: int, mode: str | None
) -> Content:
    """Bring the words back, and what plays them."""
    place, segment = _alive(content, segment_id)
    words = _words_between(segment, first, last)
    marked = {index: _without(segment["words"][index], "deleted") for index in words}
    after = _with_words(segment, marked)
    return content.with_tracks(_brought_back(content.tracks, after, mode)).with_segment(
        place, after
    )


def _cut_out(
    tracks: list[Track], segment: Segment, spans: Iterable[Span], mode: str
) -> list[Track]:
    for span in reversed(list(spans)):
        for index, track in enumerate(tracks):
            clips = _cut_track(track["clips"], segment, span, mode)
            if clips is not track["clips"]:
                tracks = with_clips(tracks, index, clips)
    return tracks


def _cut_track(clips: list[Clip], segment: Segment, span: Span, mode: str) -> list[Clip]:
    playing = [clip["id"] for clip in clips if _plays(clip, segment, span)]
    for clip_id in playing:
        index = next(i for i, clip in enumerate(clips) if clip["id"] == clip_id)
        clips = cut(clips, index, span, mode=mode, segment_id=segment["id"])
    return clips


def _plays(clip: Clip, segment: Segment, span: Span) -> bool:
    if clip["deleted"] or clip["media_file_id"] != segment["media_file_id"]:
        return False
    return bool(clip["in_point_ms"] < span[1] and clip["out_point_ms"] > span[0])


def _brought_back(tracks: list[Track], segment: Segment, mode: str | None) -> list[Track]:
    """The tracks with all that was cut out for the segment, but for its deleted words."""
    deleted = [index for index, word in enumerate(segment["words"]) if word.get("deleted")]
    gone = _spans(segment, deleted)
    for index, track in enumerate(tracks):
        clips = track["clips"]
        ghosts = [clip for clip in clips if _was_cut_for(clip, segment)]
        for ghost in sorted(ghosts, key=lambda clip: (clip["start_ms"], clip["in_point_ms"])):
            place = next(i for i, clip in enumerate(clips) if clip["id"] == ghost["id"])
            spans = _remaining((ghost["in_point_ms"], ghost["out_point_ms"]), gone)
            clips = bring_back(clips, place, spans, mode=mode)
        if clips is not track["clips"]:
            tracks = with_clips(tracks, index, clips)
    return tracks


def _was_cut_for(clip: Clip, segment: Segment) -> bool:
    cut_as = clip.get("cut") if clip["deleted"] else None
    return bool(cut_as and cut_as["segment_id"] == segment["id"])


def _remaining(span: Span, gone: Iterable[Span]) -> list[Span]:
    """The parts of a span that lie in none of the others, which are in order."""
    begin, end = span
    parts = []
    for first, last in gone:
        if first < end and last > begin:
            if first > begin:
                parts.append((begin, first))
            begin = last
    return [*parts, (begin, end)] if begin < end else parts


def _spans(segment: Segment, indexes: Iterable[int]) -> list[Span]:
    """The time of these words, neighbours together."""
    edges = _edges(segment)
    spans: list[Span] = []
    for index in indexes:
        begin, end = edges[index], edges[index + 1]
        if spans and spans[-1][1] == begin:
            begin = spans.pop()[0]
        spans.append((begin, end))
    return [span for span in spans if span[0] < span[1]]


def _edges(segment: Segment) -> list[int]:
    """Where words begin, from the segment's start to its end."""
    edges = [segment["start_ms"]]
    for word in segment["words"][1:]:
        edges.append(max(edges[-1], min(word["start_ms"], segment["end_ms"])))
    return [*edges, max(edges[-1], segment["end_ms"])]


def _alive(content: Content, segment_id: str) -> tuple[int, Segment]:
    place = find_segment(content.segments, segment_id)
    segment = content.segments[place]
    if segment["deleted"]:
        raise Refused("segment_id", "segment_deleted", "The segment is deleted: restore it first.")
    return place, segment


def _words_between(segment: Segment, first: int, last: int) -> range:
    _word(segment, last)
    if first > last:
        raise Refused("first", "unknown_word", "The first word comes after the last.")
    return range(first, last + 1)


def _word(segment: Segment, index: int) -> dict[str, Any]:
    if index >= len(segment["words"]):
        raise Refused("word", "unknown_word", "The segment has no such word.")
    word: dict[str, Any] = segment["words"][index]
    return word


def _with_words(segment: Segment, words: dict[int, dict[str, Any]]) -> Segment:
    return {
        **segment,
        "words": [words.get(index, word) for index, word in enumerate(segment["words"])],
    }


def _without(word: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in word.items() if key != name}
