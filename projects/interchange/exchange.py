"""Export of a project's timeline to a file of another editor, and import from one."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import opentimelineio as otio
from pydantic import ValidationError as ShapeError

from media.access import media_of
from projects import edl
from projects.access import owned_project
from projects.documents import MAX_CLIPS, MAX_TRACKS
from projects.interchange import formats, limits, matching, placing, reading
from projects.interchange.building import timeline_of
from projects.interchange.formats import Format, UnreadableFile
from projects.interchange.times import exact_rate
from projects.timeline import editing, rules
from projects.timeline.content import all_clips
from projects.timeline.session import Edited
from projects.timeline.shape import EdlShape


@dataclass(frozen=True)
class Exported:
    """A file, what to call it, and the version it shows."""

    text: str
    name: str
    version: int


def export(*, project_id: UUID, user_id: UUID, form: Format) -> Exported:
    """The timeline as a file; raises ``CannotHold`` with what the format has no place for."""
    project = owned_project(user_id=user_id, project_id=project_id)
    wanted = {"tracks": 1, "settings": 1, "version": 1}
    document = edl.find(project_id=project_id, user_id=user_id, projection=wanted)
    limits.check(document, form.name)
    ids = {clip["media_file_id"] for clip in all_clips(document["tracks"])}
    media = {str(found.pk): found for found in media_of(user_id=user_id).filter(pk__in=ids)}
    if form.name == "cmx3600":
        document["tracks"] = limits.playing(document["tracks"])
    text = formats.write(timeline_of(document, name=project.name, media=media), form)
    return Exported(text, f"{project.name}.{form.suffix}", document["version"])


def bring_in(
    *, project_id: UUID, user_id: UUID, versions: editing.Versions, form: Format, text: str
) -> Edited:
    """Put the file's tracks in the place of all; the transcript stays.

    Raises ``UnreadableFile``, ``CannotHold`` and ``UnmatchedMedia``; nothing is changed then.
    """
    wanted = {"tracks": 1, "settings": 1}
    document = edl.find(project_id=project_id, user_id=user_id, projection=wanted)
    rate = exact_rate(document["settings"]["frame_rate"])
    timeline = formats.read(text, form, rate)
    tracks = _tracks_of(timeline)
    readings = _readings(tracks, form)
    matched = matching.match(
        [piece.source for each in readings for piece in each.pieces],
        user_id=user_id,
        project_id=project_id,
        tracks=document["tracks"],
    )
    ids = placing.Ids()
    placed = [
        placing.place_track(track, each, matched, rate=rate, ids=ids)
        for track, each in zip(tracks, readings, strict=True)
    ]
    return editing.replace(
        project_id=project_id, user_id=user_id, versions=versions, document=_shaped(placed)
    )


def _tracks_of(timeline: otio.schema.Timeline) -> list[otio.schema.Track]:
    tracks = list(timeline.tracks)
    if len(tracks) > MAX_TRACKS or sum(map(len, tracks)) > 4 * MAX_CLIPS:
        raise UnreadableFile(f"At most {MAX_TRACKS} tracks and {MAX_CLIPS} clips are read.")
    foreign = [
        limits.item("track", "A track is of video or of sound.", name=str(track.name))
        for track in tracks
        if not isinstance(track, otio.schema.Track) or track.kind not in placing.KINDS
    ]
    _refuse(foreign)
    return tracks


def _readings(tracks: list[otio.schema.Track], form: Format) -> list[reading.Reading]:
    from_comments = form.name == "cmx3600"
    try:
        readings = [reading.read_track(each, from_comments=from_comments) for each in tracks]
    except (ValueError, ArithmeticError, otio.exceptions.OTIOError) as exc:
        raise UnreadableFile(f"The timeline has times that are none: {exc}"[:500]) from exc
    _refuse([item for each in readings for item in each.foreign])
    return readings


def _refuse(foreign: list[limits.Item]) -> None:
    if foreign:
        raise limits.CannotHold(
            "Our timeline cannot hold all that is in the file: `items` names what.",
            items=foreign[: limits.MAX_NAMED],
        )


def _shaped(tracks: list[dict[str, Any]]) -> EdlShape:
    try:
        return EdlShape.model_validate({"tracks": tracks})
    except ShapeError as exc:
        rules.refuse_shape(exc)
