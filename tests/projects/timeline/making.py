"""Tracks, clips and segments in few words, and what must hold of them whatever has happened."""

import uuid
from collections.abc import Callable
from typing import Any

import bson
import pytest

from projects.documents import EditDecisionList
from projects.timeline import operations, rules
from projects.timeline.content import (
    PERMILLE,
    SEGMENT,
    TRACK,
    Content,
    duration_of,
    speed_permille,
)
from projects.timeline.draft import Draft

MEDIA = str(uuid.UUID(int=1))
OTHER_MEDIA = str(uuid.UUID(int=2))


def clip(
    name: str, start: int, begin: int, end: int, *, media: str = MEDIA, **more: Any
) -> dict[str, Any]:
    """A clip on track ``v`` that plays ``begin`` to ``end`` of its media at ``start``."""
    effects = more.get("effects", [])
    return {
        "id": name,
        "media_file_id": media,
        "track_id": "v",
        "start_ms": start,
        "duration_ms": (end - begin) * PERMILLE // speed_permille(effects),
        "in_point_ms": begin,
        "out_point_ms": end,
        "effects": [],
        "deleted": False,
    } | more


def track(*clips: dict[str, Any], name: str = "v", kind: str = "video") -> dict[str, Any]:
    """A track with these clips."""
    on_it = [{**each, "track_id": name} for each in clips]
    return {"id": name, "type": kind, "name": name.upper(), "clips": on_it}


def word(text: str, start: int, end: int, **marks: Any) -> dict[str, Any]:
    """A word as it is stored."""
    return {"word": text, "start_ms": start, "end_ms": end, "confidence": 0.5, **marks}


def segment(
    name: str, start: int, text: str, *, media: str = MEDIA, speaker: str = "Speaker 1"
) -> dict[str, Any]:
    """A segment of words of 400 ms, each with a pause of 100 ms behind it."""
    words = [
        word(each, start + 500 * index, start + 500 * index + 400)
        for index, each in enumerate(text.split())
    ]
    return {
        "id": name,
        "media_file_id": media,
        "speaker": speaker,
        "start_ms": start,
        "end_ms": start + 500 * len(words),
        "text": text,
        "words": words,
        "deleted": False,
        "edited_text": None,
    }


def content(*tracks: dict[str, Any], segments: list[dict[str, Any]] | None = None) -> Content:
    """Tracks and segments."""
    return Content(list(tracks), list(segments or []))


def parsed(*wanted: dict[str, Any]) -> list[Any]:
    """Named operations as the API takes them."""
    return operations.Operations.model_validate({"operations": wanted}).operations


def after(before: Content, *wanted: dict[str, Any]) -> Content:
    """The content after named operations, checked as for a write."""
    draft = Draft(before)
    for operation in parsed(*wanted):
        operation.apply(draft)
    result = draft.content()
    rules.check_content(before, result)
    return result


def playing(made: Content, track_index: int = 0) -> list[tuple[int, int, int]]:
    """What a track plays: start on the timeline, in and out point, in order."""
    return sorted(
        (each["start_ms"], each["in_point_ms"], each["out_point_ms"])
        for each in made.tracks[track_index]["clips"]
        if not each["deleted"]
    )


def pictures(made: Content, media: str) -> set[tuple[int, int]]:
    """Milliseconds of a media file that any clip plays, by track."""
    return {
        (place, ms)
        for place, each in enumerate(made.tracks)
        for one in each["clips"]
        if not one["deleted"] and one["media_file_id"] == media
        for ms in range(one["in_point_ms"], one["out_point_ms"])
    }


def same(one: Content, other: Content) -> bool:
    """Whether both would be stored as the same."""

    def encoded(each: Content) -> bytes:
        return bson.encode({"tracks": each.tracks, "segments": each.segments})

    return encoded(one) == encoded(other)


def check_stored(document: dict[str, Any]) -> None:
    """Every invariant of a stored EDL."""
    EditDecisionList._from_son(document).validate()
    segments = document["transcript"]["segments"]
    assert [SEGMENT.validate_python(one) for one in segments] == segments
    for one in document["tracks"]:
        unmarked = [{k: v for k, v in each.items() if k != "offline"} for each in one["clips"]]
        assert TRACK.validate_python(one) == {**one, "clips": unmarked}
    tracks = document["tracks"]
    clips = [each for one in tracks for each in one["clips"]]
    names = [each["id"] for each in clips]
    assert len(set(names)) == len(names)
    assert len({one["id"] for one in tracks}) == len(tracks)
    for one in tracks:
        assert list(rules.overlaps_of(one["clips"])) == []
        assert all(each["track_id"] == one["id"] for each in one["clips"])
    for each in clips:
        source = each["out_point_ms"] - each["in_point_ms"]
        permille = speed_permille(each["effects"])
        assert abs(each["duration_ms"] * permille - source * PERMILLE) < permille
        assert ("cut" in each) <= each["deleted"]
    assert document["settings"]["duration_ms"] == duration_of(tracks)
    assert document["transcript_bytes"] == len(bson.encode(document["transcript"]))
    assert len(bson.encode(document)) < 16 * 1024**2


def refused(code: str, act: Callable[[], Any]) -> Exception:
    """What ``act`` raises: a problem that tells this code."""
    with pytest.raises(Exception) as raised:  # noqa: PT011 (of two kinds)
        act()
    codes = str(getattr(raised.value, "get_codes", lambda: raised.value.code)())
    assert code in codes
    return raised.value
