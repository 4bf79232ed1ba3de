"""What an EDL must hold as a whole: unique ids, bounded parts, one clip at a time on a track."""

from collections.abc import Container, Iterable, Iterator
from itertools import chain
from operator import gt
from typing import NoReturn

import bson
from pydantic import ValidationError as ShapeError
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.settings import api_settings

from auteur.core.api.problems import MAX_ERRORS, field_problem
from projects.documents import MAX_CLIPS, MAX_TIME_MS, MAX_TRACKS, MAX_TRACKS_BYTES
from projects.edl import EdlTooLargeProblem
from projects.timeline.clip_diff import ClipDiff, diff_clips
from projects.timeline.content import Clip, Content, Segment, Track, cross_fade_ms, ends_of
from projects.timeline.effects import TAGS

Error = tuple[str, str, str]
"""Field, code and sentence."""
UNMEASURED_BYTES = 64 * 1024
"""More than all tracks' names and ids; nearer than this to their bound, tracks are measured."""
TOO_MANY_CLIPS = (
    "tracks",
    "too_many_clips",
    f"An EDL has at most {MAX_CLIPS} clips, deleted ones counted.",
)


class TimelineTooLargeProblem(EdlTooLargeProblem):
    """The tracks, clips and effects would pass their bound; nothing was changed."""

    default_code = "timeline_too_large"
    default_detail = "The timeline would become too large."


def raise_errors(errors: Iterable[Error]) -> None:
    """Raise one 400 for all of ``errors``, if there are any."""
    fields: dict[str, list[ErrorDetail]] = {}
    for _, (field, code, detail) in zip(range(MAX_ERRORS), errors, strict=False):
        fields.setdefault(field, []).append(ErrorDetail(detail, code=code))
    if fields:
        raise ValidationError(fields)


def raise_error(field: str, code: str, detail: str) -> NoReturn:
    """Raise a 400 about one field."""
    raise field_problem(field, code, detail)


def raise_shape_errors(
    error: ShapeError, *path: str | int, unnamed: Container[object] = ()
) -> NoReturn:
    """Raise a 400 that names what is malformed below ``path``.

    ``unnamed`` are names that are in no document, such as those of a union's members; those of
    effects are always left out.
    """
    errors = []
    for detail in error.errors(include_url=False, include_context=False, include_input=False):
        location = (name for name in detail["loc"] if name not in unnamed and name not in TAGS)
        field = ".".join(map(str, (*path, *location))) or api_settings.NON_FIELD_ERRORS_KEY
        errors.append((field, detail["type"], detail["msg"]))
    raise_errors(errors)
    raise error


def check_content(
    before: Content,
    after: Content,
    *,
    diff: ClipDiff | None = None,
    tracks_bytes: int = MAX_TRACKS_BYTES,
) -> int:
    """Raise what is wrong with ``after``, if it was not in ``before``.

    ``tracks_bytes`` is the size that the tracks had at most; return what they have at most now.
    """
    if after.tracks is not before.tracks:
        errors = chain(_check_counts(after.tracks), _check_ids(after.tracks))
        raise_errors(chain(errors, _find_overlaps(before, after)))
        tracks_bytes = _check_bytes(after, diff or diff_clips(before, after), tracks_bytes)
    if len(after.segments) != len(before.segments):
        raise_errors(_find_duplicates(after.segments, "transcript.segments"))
    return tracks_bytes


def _check_bytes(after: Content, diff: ClipDiff, bytes_before: int) -> int:
    """Measure the tracks, unless they can hardly have grown, or not to their bound."""
    at_most = bytes_before + diff.bytes_at_most
    if not diff.has_grown or at_most <= MAX_TRACKS_BYTES - UNMEASURED_BYTES:
        return at_most
    measured = bytes_of(after.tracks)
    if measured > MAX_TRACKS_BYTES:
        raise TimelineTooLargeProblem
    return measured


def check_clips(count: int) -> None:
    """Raise a 400 if there are too many clips."""
    if count > MAX_CLIPS:
        raise_errors([TOO_MANY_CLIPS])


def _check_counts(tracks: list[Track]) -> Iterator[Error]:
    if len(tracks) > MAX_TRACKS:
        yield "tracks", "too_many_tracks", f"An EDL has at most {MAX_TRACKS} tracks."
    if sum(len(track["clips"]) for track in tracks) > MAX_CLIPS:
        yield TOO_MANY_CLIPS


def _check_ids(tracks: list[Track]) -> Iterator[Error]:
    yield from _find_duplicates(tracks, "tracks")
    clip_ids = [clip["id"] for track in tracks for clip in track["clips"]]
    if len(set(clip_ids)) == len(clip_ids):
        return
    seen: set[str] = set()
    for index, track in enumerate(tracks):
        yield from _find_duplicates(track["clips"], f"tracks.{index}.clips", seen)


def _find_duplicates(
    items: Iterable[Track | Clip | Segment], path: str, seen: set[str] | None = None
) -> Iterator[Error]:
    seen = set() if seen is None else seen
    for index, item in enumerate(items):
        if item["id"] in seen:
            yield f"{path}.{index}.id", "duplicate_id", "Another one has this id."
        seen.add(item["id"])


def _find_overlaps(before: Content, after: Content) -> Iterator[Error]:
    unchanged = {id(track["clips"]) for track in before.tracks}
    for index, track in enumerate(after.tracks):
        if id(track["clips"]) not in unchanged:
            for error in overlaps_of(track["clips"]):
                yield (f"tracks.{index}.clips.{error[0]}.start_ms", *error[1:])


def overlaps_of(clips: list[Clip]) -> Iterator[tuple[int, str, str]]:
    """Yield each clip, by its index, that begins too early or ends after the last possible time.

    A cross-fade lets a clip overlap the one before it, by no more than either is long; no third.
    """
    starts = sorted([clip["start_ms"] for clip in clips if not clip["deleted"]])
    ends = sorted(ends_of(clips))
    # As many have ended when one begins as have begun before it: none overlaps another.
    if not any(map(gt, ends, starts[1:])) and not (ends and ends[-1] > MAX_TIME_MS):
        return
    yield from _overlaps_in_order(clips)


def _overlaps_in_order(clips: list[Clip]) -> Iterator[tuple[int, str, str]]:
    playing = [(clip["start_ms"], index) for index, clip in enumerate(clips) if not clip["deleted"]]
    previous: Clip | None = None
    end = earlier_end = 0
    for start, index in sorted(playing):
        clip = clips[index]
        if previous is not None:
            allowed = min(cross_fade_ms(clip), previous["duration_ms"], clip["duration_ms"])
            if end > start and (end - start > allowed or earlier_end > start):
                yield index, "clip_overlap", "The clip overlaps the one before it on its track."
            earlier_end = max(earlier_end, end)
        end = start + clip["duration_ms"]
        if end > MAX_TIME_MS:
            yield index, "too_late", f"A timeline ends after {MAX_TIME_MS} ms at the latest."
        previous = clip


def bytes_of(tracks: list[Track]) -> int:
    """Return the size of the tracks in the document."""
    return len(bson.encode({"tracks": tracks}))
