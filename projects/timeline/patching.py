"""JSON Patch (RFC 6902) on an EDL as clients see it: its tracks and the segments of its transcript.

Only what a patch may touch is read and copied, and only what it has changed is checked for shape.
"""

import re
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Any

import jsonpatch
import jsonpointer
from pydantic import ValidationError as ShapeError

from auteur.core.api.problems import Problem
from projects.documents import MAX_CLIPS, MAX_OPERATIONS, MAX_SEGMENTS, MAX_TRACKS
from projects.timeline.content import Clip, Content, Effect, Segment, Track
from projects.timeline.rules import TimelineTooLargeProblem, raise_error, raise_shape_errors
from projects.timeline.session import Needs
from projects.timeline.shape import ClipShape, SegmentShape, TrackShape

MAX_COPIED_VALUES = 100_000
"""What `copy` may make in one patch: it can double a value with each operation."""

_TRACKS = re.compile(r"/tracks(/|$)")
_SEGMENT = re.compile(r"/transcript/segments/(0|[1-9][0-9]{0,6})/")
_SEGMENTS = re.compile(r"/transcript/segments(/|$)")

NEEDED = {"add": "value", "replace": "value", "test": "value", "move": "from", "copy": "from"}

Operation = Mapping[str, Any]


class InvalidPatchProblem(Problem):
    """It is no JSON Patch, or one of what cannot be patched."""

    default_code = "invalid_patch"
    default_detail = "This is not a valid JSON Patch."


class PatchConflictProblem(Problem):
    """The patch does not fit the document."""

    status_code = 409
    default_code = "patch_conflict"
    default_detail = "The patch does not fit the EDL."


class PatchTestFailedProblem(PatchConflictProblem):
    """A `test` operation has found another value."""

    default_code = "patch_test_failed"
    default_detail = "A test of the patch has failed."


PROBLEMS = (InvalidPatchProblem, PatchConflictProblem, PatchTestFailedProblem)
"""What a JSON Patch may be refused with, besides `editing.PROBLEMS`."""


def parse_patch(body: Any) -> list[Operation]:
    """The operations, each of known form and about what may be patched; raises problems."""
    if not isinstance(body, list):
        raise InvalidPatchProblem
    if not 1 <= len(body) <= MAX_OPERATIONS:
        raise InvalidPatchProblem(f"A patch has 1 to {MAX_OPERATIONS} operations.")
    if not all(isinstance(item, dict) for item in body):
        raise InvalidPatchProblem
    for item in body:
        if not all(isinstance(path, str) and _may_touch(path) for path in _paths(item)):
            raise InvalidPatchProblem("Paths begin with /tracks or /transcript/segments.")
        if NEEDED.get(str(item.get("op")), "path") not in item:
            raise InvalidPatchProblem(f"An operation lacks its member `{NEEDED[item['op']]}`.")
    try:
        jsonpatch.JsonPatch(body)
    except (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException, TypeError) as exc:
        raise InvalidPatchProblem(str(exc)) from exc
    return body


def _paths(item: Operation) -> list[Any]:
    return [item.get("path"), *([item["from"]] if "from" in item else [])]


def _may_touch(path: str) -> bool:
    return bool(_TRACKS.match(path) or _SEGMENTS.match(path))


def needs_of(patch: Sequence[Operation]) -> Needs:
    """What must be read for the patch."""
    paths = [path for item in patch for path in _paths(item)]
    tracks = any(_TRACKS.match(path) for path in paths)
    of_segments = [path for path in paths if _SEGMENTS.match(path)]
    singles = [_SEGMENT.match(path) for path in of_segments]
    if not all(singles):
        return Needs(tracks=tracks, transcript=True)
    indexes = frozenset(int(single[1]) for single in singles if single)
    return Needs(tracks=tracks, segment_indexes=indexes)


def apply_patch(content: Content, patch: Sequence[Operation]) -> Content:
    """The content after the patch; raises problems."""
    needs = needs_of(patch)
    copies = [
        _copy_of_segment(segment) if needs.transcript or index in needs.segment_indexes else segment
        for index, segment in enumerate(content.segments)
    ]
    document = {
        "tracks": [_copy_of_track(track) for track in content.tracks] if needs.tracks else [],
        "transcript": {"segments": copies},
    }
    _patch(document, patch)
    after = document["transcript"]
    segments = after["segments"] if isinstance(after, dict) and "segments" in after else None
    return replace(
        content,
        tracks=_tracks(content.tracks, document["tracks"]) if needs.tracks else content.tracks,
        segments=_segments(content.segments, segments),
    )


def _copy_of_track(track: Track) -> dict[str, Any]:
    clips = [
        {**clip, "effects": [_copy_of_effect(effect) for effect in clip["effects"]]}
        | ({"cut": deepcopy(clip["cut"])} if "cut" in clip else {})
        for clip in track["clips"]
    ]
    return {**track, "clips": clips}


def _copy_of_effect(effect: Effect) -> dict[str, Any]:
    return {k: list(v) if isinstance(v, list) else v for k, v in effect.items()}


def _copy_of_segment(segment: Segment) -> Any:
    return {**segment, "words": [dict(word) for word in segment["words"]]}


def _patch(document: dict[str, Any], patch: Sequence[Operation]) -> None:
    copied = 0
    for operation in patch:
        try:
            if operation["op"] == "copy":
                copied += _weight(jsonpointer.resolve_pointer(document, operation["from"]))
                if copied > MAX_COPIED_VALUES:
                    raise TimelineTooLargeProblem
            jsonpatch.JsonPatch([operation]).apply(document, in_place=True)
        except jsonpatch.JsonPatchTestFailed as exc:
            raise PatchTestFailedProblem from exc
        except (
            jsonpatch.JsonPatchException,
            jsonpointer.JsonPointerException,
            TypeError,
            LookupError,
            RecursionError,
        ) as exc:
            raise PatchConflictProblem(
                f"{operation['op']} {operation['path']}: {exc}"[:500]
            ) from exc
    if "tracks" not in document:
        raise PatchConflictProblem("An EDL has tracks.")


def _weight(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + sum(map(_weight, value.values()))
    return 1 + sum(map(_weight, value)) if isinstance(value, list) else 1


def _tracks(before: list[Track], after: Any) -> list[Track]:
    """The tracks that came out of the patch, those that it left alone being the same objects."""
    if not isinstance(after, list):
        raise_error("tracks", "list_type", "This is no list.")
    _check_length(after, MAX_TRACKS, "tracks")
    old = {track["id"]: track for track in before}
    clips = {clip["id"]: clip for track in before for clip in track["clips"]}
    made = [_track(track, old, clips, index) for index, track in enumerate(after)]
    return before if _same(before, made) else made


def _track(value: Any, old: dict[str, Track], clips: dict[str, Clip], index: int) -> Track:
    listed = value.get("clips") if isinstance(value, dict) else None
    header = {**value, "clips": []} if isinstance(listed, list) else value
    try:
        track = TrackShape.model_validate(header).stored()
    except ShapeError as exc:
        raise_shape_errors(exc, "tracks", index)
    if isinstance(listed, list):
        _check_length(listed, MAX_CLIPS, f"tracks.{index}.clips")
        track["clips"] = [
            _clip(clip, clips, track["id"], index, place) for place, clip in enumerate(listed)
        ]
    before = old.get(track["id"])
    if before is None or not _same(before["clips"], track["clips"]):
        return track
    track["clips"] = before["clips"]
    return before if before == track else track


def _clip(value: Any, clips: dict[str, Clip], track_id: str, index: int, place: int) -> Clip:
    name = value.get("id") if isinstance(value, dict) else None
    before = clips.get(name) if isinstance(name, str) else None
    if before is None or before != value:
        try:
            before = ClipShape.model_validate(value).stored()
        except ShapeError as exc:
            raise_shape_errors(exc, "tracks", index, "clips", place)
    if before["track_id"] != track_id:
        field = f"tracks.{index}.clips.{place}.track_id"
        raise_error(field, "clip_track", "A clip names the track that it lies on.")
    return before


def _segments(before: list[Segment], after: Any) -> list[Segment]:
    if not isinstance(after, list):
        raise_error("transcript.segments", "list_type", "This is no list.")
    _check_length(after, MAX_SEGMENTS, "transcript.segments")
    old = {segment["id"]: segment for segment in before}
    made = [_segment(segment, old, index) for index, segment in enumerate(after)]
    return before if _same(before, made) else made


def _segment(value: Any, old: dict[str, Segment], index: int) -> Segment:
    name = value.get("id") if isinstance(value, dict) else None
    before = old.get(name) if isinstance(name, str) else None
    if before is not None and before == value:
        return before
    try:
        return SegmentShape.model_validate(value).stored()
    except ShapeError as exc:
        raise_shape_errors(exc, "transcript", "segments", index)


def _check_length(items: list[Any], most: int, field: str) -> None:
    if len(items) > most:
        raise_error(field, "too_long", f"There are at most {most} of them.")


def _same(before: Sequence[Any], after: Sequence[Any]) -> bool:
    return len(before) == len(after) and all(
        old is new for old, new in zip(before, after, strict=True)
    )
