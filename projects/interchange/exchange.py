"""Export a project's timeline to a file of another editor, and import one from it."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from uuid import UUID

from pydantic import ValidationError as ShapeError

from gpu_tasks.runtime.memory_budget import Reservation
from media.access import list_media
from projects import edl
from projects.access import get_project
from projects.interchange import building, conversion, limits, matching, sandboxing, writing
from projects.interchange.building import Film
from projects.interchange.formats import Format
from projects.interchange.times import get_exact_rate
from projects.timeline import editing, rules
from projects.timeline.content import Author, Track, all_clips
from projects.timeline.session import EditResult
from projects.timeline.shape import EdlShape

WRITERS: dict[str, Callable[[Film], str]] = {
    "otio": building.write_otio,
    "fcp_xml": writing.write_fcp_xml,
    "cmx3600": writing.write_cmx3600,
}


@dataclass(frozen=True)
class ExportedTimeline:
    """An exported file, its name, and the version of the EDL that it shows."""

    text: str
    name: str
    version: int
    left_out: Mapping[str, int]
    """The number of effects of each type, and of deleted clips, that the file lacks."""


def export_timeline(
    *, project_id: UUID, user_id: UUID, form: Format, leave_out: Collection[str] = ()
) -> ExportedTimeline:
    """Return the timeline as a file.

    ``leave_out`` are types of effects that may be missing in the file, if the format cannot hold
    them. Raises ``CannotHoldProblem`` with everything else that the format cannot hold.
    """
    project = get_project(user_id=user_id, project_id=project_id)
    fields = {"tracks": 1, "settings": 1, "version": 1}
    document = edl.find_document(project_id=project_id, user_id=user_id, fields=fields)
    left_out: dict[str, int] = {}
    tracks = document["tracks"]
    if form.name != "otio":
        tracks, left_out = limits.remove_effects(tracks, leave_out)
    limits.check_format({**document, "tracks": tracks}, form.name)
    ids = {clip["media_file_id"] for clip in all_clips(document["tracks"])}
    media = {str(row.pk): row for row in list_media(user_id=user_id).filter(pk__in=ids)}
    film = Film(project.name, tracks, document["settings"]["frame_rate"], media, tuple(left_out))
    text = WRITERS[form.name](film)
    return ExportedTimeline(text, f"{project.name}.{form.suffix}", document["version"], left_out)


def import_timeline(
    *,
    project_id: UUID,
    user_id: UUID,
    versions: editing.Versions,
    form: Format,
    text: str,
    author: Author | None = None,
    memory: Reservation | None = None,
) -> EditResult:
    """Replace all tracks by those of the file; the transcript stays.

    Raises ``UnreadableFileProblem``, ``CannotHoldProblem`` and ``UnmatchedMediaProblem`` before
    anything is changed.
    """
    fields = {"tracks": 1, "settings": 1}
    document = edl.find_document(project_id=project_id, user_id=user_id, fields=fields)
    rate = get_exact_rate(document["settings"]["frame_rate"])
    tracks = sandboxing.read(text, form.name, rate, memory)
    matched = matching.match_media(
        [piece.source for track in tracks for piece in track.pieces],
        user_id=user_id,
        project_id=project_id,
        tracks=document["tracks"],
    )
    tracks = conversion.count_from_file_start(tracks, matched, is_edit_list=form.name == "cmx3600")
    ids = conversion.Ids()
    converted = [conversion.convert_track(track, matched, rate=rate, ids=ids) for track in tracks]
    return editing.replace_edl(
        project_id=project_id,
        user_id=user_id,
        versions=versions,
        document=_validate_edl(converted),
        author=author,
    )


def _validate_edl(tracks: list[Track]) -> EdlShape:
    try:
        return EdlShape.model_validate({"tracks": tracks})
    except ShapeError as exc:
        rules.raise_shape_errors(exc)
