"""Export of a project's timeline to a file of another editor, and import from one."""

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
from projects.interchange.times import exact_rate
from projects.timeline import editing, rules
from projects.timeline.content import Author, Track, all_clips
from projects.timeline.session import EditResult
from projects.timeline.shape import EdlShape

WRITERS: dict[str, Callable[[Film], str]] = {
    "otio": building.otio_json,
    "fcp_xml": writing.fcp_xml,
    "cmx3600": writing.cmx3600,
}


@dataclass(frozen=True)
class Exported:
    """A file, what to call it, and the version it shows."""

    text: str
    name: str
    version: int
    left_out: Mapping[str, int]
    """Kinds of what the format does not hold and the file is without, and how many of each."""


def export_timeline(
    *, project_id: UUID, user_id: UUID, form: Format, leave_out: Collection[str] = ()
) -> Exported:
    """The timeline as a file; raises ``CannotHoldProblem`` with what the format has no place for.

    ``leave_out`` are types of effects that the file may be without, where the format needs it.
    """
    project = get_project(user_id=user_id, project_id=project_id)
    wanted = {"tracks": 1, "settings": 1, "version": 1}
    document = edl.find_document(project_id=project_id, user_id=user_id, fields=wanted)
    left_out: dict[str, int] = {}
    tracks = document["tracks"]
    if form.name != "otio":
        tracks, left_out = limits.without(tracks, leave_out)
    limits.check({**document, "tracks": tracks}, form.name)
    ids = {clip["media_file_id"] for clip in all_clips(document["tracks"])}
    media = {str(found.pk): found for found in list_media(user_id=user_id).filter(pk__in=ids)}
    film = Film(project.name, tracks, document["settings"]["frame_rate"], media, tuple(left_out))
    text = WRITERS[form.name](film)
    return Exported(text, f"{project.name}.{form.suffix}", document["version"], left_out)


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
    """Put the file's tracks in the place of all; the transcript stays.

    Raises ``UnreadableFileProblem``, ``CannotHoldProblem`` and ``UnmatchedMediaProblem``; nothing
    is changed then.
    """
    wanted = {"tracks": 1, "settings": 1}
    document = edl.find_document(project_id=project_id, user_id=user_id, fields=wanted)
    rate = exact_rate(document["settings"]["frame_rate"])
    tracks = sandboxing.read(text, form.name, rate, memory)
    matched = matching.match(
        [piece.source for each in tracks for piece in each.pieces],
        user_id=user_id,
        project_id=project_id,
        tracks=document["tracks"],
    )
    tracks = conversion.count_from_file_start(tracks, matched, is_edit_list=form.name == "cmx3600")
    ids = conversion.Ids()
    placed = [conversion.convert_track(each, matched, rate=rate, ids=ids) for each in tracks]
    return editing.replace_edl(
        project_id=project_id,
        user_id=user_id,
        versions=versions,
        document=_shaped(placed),
        author=author,
    )


def _shaped(tracks: list[Track]) -> EdlShape:
    try:
        return EdlShape.model_validate({"tracks": tracks})
    except ShapeError as exc:
        rules.raise_shape_errors(exc)
