"""Apply a JSON Patch (RFC 6902) to an EDL as clients see it: its tracks and transcript segments.

Only what a patch may touch is read and copied, and only what it has changed is validated.
"""

import re
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Any

import jsonpatch
import jsonpointer
from pydantic import TypeAdapter
from pydantic import ValidationError as ShapeError

from auteur.core.api.problems import Problem
from projects.documents import MAX_CLIPS, MAX_OPERATIONS, MAX_SEGMENTS, MAX_TRACKS
from projects.timeline.content import (
    CLIP,
    SEGMENT,
    TRACK,
    Clip,
    Content,
    Segment,
    Track,
    share_unchanged,
)
from projects.timeline.rules import TimelineTooLargeProblem, raise_error, raise_shape_errors
from projects.timeline.session import Needs

MAX_COPIED_VALUES = 100_000
"""What `copy` may create in one patch: it can double a value with each operation."""

_TRACKS = re.compile(r"/tracks(/|$)")
_SEGMENT = re.compile(r"/transcript/segments/(0|[1-9][0-9]{0,6})/")
_SEGMENTS = re.compile(r"/transcript/segments(/|$)")

REQUIRED_MEMBERS = {
    "add": "value",
    "replace": "value",
    "test": "value",
    "move": "from",
    "copy": "from",
}

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
    """Return the operations, each of known form and about what may be patched; raise problems."""
    if not isinstance(body, list):
        raise InvalidPatchProblem
    if not 1 <= len(body) <= MAX_OPERATIONS:
        raise InvalidPatchProblem(f"A patch has 1 to {MAX_OPERATIONS} operations.")
    if not all(isinstance(item, dict) for item in body):
        raise InvalidPatchProblem
    for item in body:
        if not all(isinstance(path, str) and _can_patch(path) for path in _list_paths(item)):
            raise InvalidPatchProblem("Paths begin with /tracks or /transcript/segments.")
        member = REQUIRED_MEMBERS.get(str(item.get("op")), "path")
        if member not in item:
            raise InvalidPatchProblem(f"An operation lacks its member `{member}`.")
    try:
        jsonpatch.JsonPatch(body)
    except (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException, TypeError) as exc:
        raise InvalidPatchProblem(str(exc)) from exc
    return body


def _list_paths(item: Operation) -> list[Any]:
    return [item.get("path"), *([item["from"]] if "from" in item else [])]


def _can_patch(path: str) -> bool:
    return bool(_TRACKS.match(path) or _SEGMENTS.match(path))


def needs_of(patch: Sequence[Operation]) -> Needs:
    """Return what must be read for the patch."""
    paths = [path for item in patch for path in _list_paths(item)]
    has_tracks = any(_TRACKS.match(path) for path in paths)
    matches = [_SEGMENT.match(path) for path in paths if _SEGMENTS.match(path)]
    if not all(matches):
        return Needs(tracks=has_tracks, transcript=True)
    indexes = frozenset(int(match[1]) for match in matches if match)
    return Needs(tracks=has_tracks, segment_indexes=indexes)


def apply_patch(content: Content, patch: Sequence[Operation]) -> Content:
    """Return the content after the patch; raise problems."""
    needs = needs_of(patch)
    segments: list[Any] = [
        {**segment, "words": [dict(word) for word in segment["words"]]}
        if needs.transcript or index in needs.segment_indexes
        else segment
        for index, segment in enumerate(content.segments)
    ]
    document = {
        "tracks": [_copy_track(track) for track in content.tracks] if needs.tracks else [],
        "transcript": {"segments": segments},
    }
    _apply_to_copy(document, patch)
    transcript = document["transcript"]
    after = transcript.get("segments") if isinstance(transcript, dict) else None
    return replace(
        content,
        tracks=_read_tracks(content.tracks, document["tracks"]) if needs.tracks else content.tracks,
        segments=_read_segments(content.segments, after),
    )


def _copy_track(track: Track) -> dict[str, Any]:
    clips = [
        {
            **clip,
            "effects": [
                {name: list(v) if isinstance(v, list) else v for name, v in effect.items()}
                for effect in clip["effects"]
            ],
        }
        | ({"cut": deepcopy(clip["cut"])} if "cut" in clip else {})
        for clip in track["clips"]
    ]
    return {**track, "clips": clips}


def _apply_to_copy(document: dict[str, Any], patch: Sequence[Operation]) -> None:
    copied = 0
    for operation in patch:
        try:
            if operation["op"] == "copy":
                copied += _count_values(jsonpointer.resolve_pointer(document, operation["from"]))
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


def _count_values(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + sum(map(_count_values, value.values()))
    return 1 + sum(map(_count_values, value)) if isinstance(value, list) else 1


def _read_tracks(before: list[Track], after: Any) -> list[Track]:
    """Return the tracks after the patch; those that it left alone are the same objects."""
    _check_list(after, MAX_TRACKS, "tracks")
    old = {track["id"]: track for track in before}
    clips = {clip["id"]: clip for track in before for clip in track["clips"]}
    tracks = [_read_track(track, old, clips, index) for index, track in enumerate(after)]
    return share_unchanged(tracks, before)


def _read_track(value: Any, old: dict[str, Track], clips: dict[str, Clip], index: int) -> Track:
    values = value.get("clips") if isinstance(value, dict) else None
    header = {**value, "clips": []} if isinstance(values, list) else value
    track: Track = _validate(TRACK, header, {}, "tracks", index)
    if isinstance(values, list):
        _check_list(values, MAX_CLIPS, f"tracks.{index}.clips")
        track["clips"] = [
            _read_clip(clip, clips, track["id"], f"tracks.{index}.clips.{clip_index}")
            for clip_index, clip in enumerate(values)
        ]
    before = old.get(track["id"])
    if before is None:
        return track
    track["clips"] = share_unchanged(track["clips"], before["clips"])
    return before if before == track and before["clips"] is track["clips"] else track


def _read_clip(value: Any, clips: dict[str, Clip], track_id: str, path: str) -> Clip:
    clip: Clip = _validate(CLIP, value, clips, path)
    if clip["track_id"] != track_id:
        raise_error(f"{path}.track_id", "clip_track", "A clip names the track that it lies on.")
    return clip


def _read_segments(before: list[Segment], after: Any) -> list[Segment]:
    _check_list(after, MAX_SEGMENTS, "transcript.segments")
    old = {segment["id"]: segment for segment in before}
    segments = [
        _validate(SEGMENT, segment, old, "transcript", "segments", index)
        for index, segment in enumerate(after)
    ]
    return share_unchanged(segments, before)


def _validate(
    adapter: TypeAdapter[Any], value: Any, old: Mapping[str, Any], *path: str | int
) -> Any:
    """Return a valid value: the old one with its id, if it is equal; raise a 400 below ``path``."""
    name = value.get("id") if isinstance(value, dict) else None
    before = old.get(name) if isinstance(name, str) else None
    if before is not None and before == value:
        return before
    try:
        return adapter.validate_python(value)
    except ShapeError as exc:
        raise_shape_errors(exc, *path)


def _check_list(value: Any, limit: int, field: str) -> None:
    """Raise a 400 if it is no list, or too long."""
    if not isinstance(value, list):
        raise_error(field, "list_type", "This is no list.")
    if len(value) > limit:
        raise_error(field, "too_long", f"There are at most {limit} of them.")
