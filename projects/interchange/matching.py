"""Match the clips of a foreign timeline with media of the user."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from auteur.core.api.problems import Problem
from media.access import list_media
from media.models import MediaFile, MediaStatus
from projects.interchange.terms import MAX_NAMED, MediaReference
from projects.timeline.content import Track, all_clips

COLUMNS = ("pk", "name", "duration_ms", "metadata")


class UnmatchedMediaProblem(Problem):
    """Raised if clips play files that the project does not have."""

    status_code = 422
    default_code = "unmatched_media"
    default_detail = (
        "The project has no media file, or several, with each of these `names`. Upload or rename "
        "files so that each name is unique."
    )


@dataclass(frozen=True)
class MediaMatches:
    """The media id of each source, and the durations of the media in milliseconds."""

    ids: Mapping[MediaReference, str]
    durations: Mapping[str, int | None]
    rows: Mapping[str, MediaFile] = field(default_factory=dict)
    """The media that are not deleted."""


def match_media(
    sources: Iterable[MediaReference], *, user_id: UUID, project_id: UUID, tracks: list[Track]
) -> MediaMatches:
    """Match sources by id with the user's ready media and the timeline's media, else by name.

    An id in metadata does not count if the address names another file: another program has changed
    the address. For a source with an id, only the name in the address counts. Names are those of
    the project's files. Raises ``UnmatchedMediaProblem`` with names that match no file, or several.
    """
    references = list(dict.fromkeys(sources))
    reference_ids = {source.media_id for source in references if source.media_id}
    rows = _list_ready_media(user_id, reference_ids)
    files_by_name = _list_media_by_name(user_id, project_id, references)
    durations = _measure_shown_media(tracks, reference_ids) | {
        key: row.duration_ms for key, row in rows.items()
    }
    ids: dict[MediaReference, str] = {}
    for source in references:
        has_known_id = source.media_id in durations and not _is_replaced(source, rows)
        names = source.path_names if source.media_id and source.path_names else source.names
        media_id = source.media_id if has_known_id else _find_id_by_name(names, files_by_name)
        if media_id is not None:
            ids[source] = media_id
    unmatched_references = [source for source in references if source not in ids]
    if unmatched_references:
        missing_names = (
            next(iter(reference.names), reference.media_id or "")
            for reference in unmatched_references
        )
        raise UnmatchedMediaProblem(names=list(dict.fromkeys(missing_names))[:MAX_NAMED])
    rows |= {str(row.pk): row for files in files_by_name.values() for row in files}
    return MediaMatches(ids, durations | {key: row.duration_ms for key, row in rows.items()}, rows)


def _list_ready_media(user_id: UUID, ids: set[str]) -> dict[str, MediaFile]:
    rows = list_media(user_id=user_id).filter(pk__in=ids, status=MediaStatus.READY)
    return {str(row.pk): row for row in rows.only(*COLUMNS)}


def _is_replaced(source: MediaReference, rows: Mapping[str, MediaFile]) -> bool:
    """Return True if the address names another file than the id in the metadata."""
    if not source.is_id_of_metadata or not source.path_names:
        return False
    row = rows.get(source.media_id or "")
    return row is None or row.name not in source.path_names


def _measure_shown_media(tracks: list[Track], ids: set[str]) -> dict[str, int | None]:
    """Return how long the timeline shows the media, which may be deleted."""
    durations: dict[str, int | None] = {}
    for clip in all_clips(tracks):
        key = clip["media_file_id"]
        if key in ids:
            durations[key] = max(durations.get(key) or 0, clip["out_point_ms"])
    return durations


def _list_media_by_name(
    user_id: UUID, project_id: UUID, sources: list[MediaReference]
) -> dict[str, list[MediaFile]]:
    names = {name for source in sources for name in source.names if "\0" not in name}
    rows = list_media(user_id=user_id, project_id=project_id).filter(
        name__in=names, status=MediaStatus.READY
    )
    files_by_name: dict[str, list[MediaFile]] = {}
    for media in rows.only(*COLUMNS):
        files_by_name.setdefault(media.name, []).append(media)
    return files_by_name


def _find_id_by_name(
    names: Iterable[str], files_by_name: Mapping[str, list[MediaFile]]
) -> str | None:
    for name in names:
        files = files_by_name.get(name, [])
        if len(files) == 1:
            return str(files[0].pk)
    return None
