"""Which of the user's media the clips of a foreign timeline play."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from auteur.api.problems import Problem
from media.access import list_media
from media.models import MediaFile, MediaStatus
from projects.interchange.terms import MAX_NAMED, MediaReference
from projects.timeline.content import Track, all_clips

COLUMNS = ("pk", "name", "duration_ms", "metadata")


class UnmatchedMediaProblem(Problem):
    """Clips play files that the project does not have."""

    status_code = 422
    default_code = "unmatched_media"
    default_detail = (
        "The project has no media file, or several, with these `names`. Upload them first."
    )


@dataclass(frozen=True)
class Matched:
    """The media file of each source, and how long the files are."""

    ids: Mapping[MediaReference, str]
    durations: Mapping[str, int | None]
    rows: Mapping[str, MediaFile] = field(default_factory=dict)
    """Those of them that are not deleted."""


def match(
    sources: Iterable[MediaReference], *, user_id: UUID, project_id: UUID, tracks: list[Track]
) -> Matched:
    """Match by id the user's ready media and what the timeline shows already, else by name.

    An id in metadata does not count where the address names another file: somebody has changed it.
    With an id, the name in the address alone counts. Names are those of the project's files. Raises
    ``UnmatchedMediaProblem`` with those that are none's, or several's.
    """
    wanted = list(dict.fromkeys(sources))
    named_ids = {source.media_id for source in wanted if source.media_id}
    rows = _ready(user_id, named_ids)
    by_name = _named(user_id, project_id, wanted)
    known = _shown(tracks, named_ids) | {key: row.duration_ms for key, row in rows.items()}
    ids: dict[MediaReference, str] = {}
    for source in wanted:
        is_known = source.media_id in known and not _is_replaced(source, rows)
        names = source.path_names if source.media_id and source.path_names else source.names
        found = source.media_id if is_known else _by_name(names, by_name)
        if found is not None:
            ids[source] = found
    unmatched = [source for source in wanted if source not in ids]
    if unmatched:
        missing = (next(iter(each.names), each.media_id or "") for each in unmatched)
        raise UnmatchedMediaProblem(names=list(dict.fromkeys(missing))[:MAX_NAMED])
    rows |= {str(row.pk): row for files in by_name.values() for row in files}
    return Matched(ids, known | {key: row.duration_ms for key, row in rows.items()}, rows)


def _ready(user_id: UUID, ids: set[str]) -> dict[str, MediaFile]:
    rows = list_media(user_id=user_id).filter(pk__in=ids, status=MediaStatus.READY)
    return {str(row.pk): row for row in rows.only(*COLUMNS)}


def _is_replaced(source: MediaReference, rows: Mapping[str, MediaFile]) -> bool:
    """Return True if the address names another file than the id in the metadata."""
    if not source.is_id_of_metadata or not source.path_names:
        return False
    row = rows.get(source.media_id or "")
    return row is None or row.name not in source.path_names


def _shown(tracks: list[Track], ids: set[str]) -> dict[str, int | None]:
    """Media that may be deleted by now, as long as they are shown."""
    shown: dict[str, int | None] = {}
    for clip in all_clips(tracks):
        key = clip["media_file_id"]
        if key in ids:
            shown[key] = max(shown.get(key) or 0, clip["out_point_ms"])
    return shown


def _named(
    user_id: UUID, project_id: UUID, sources: list[MediaReference]
) -> dict[str, list[MediaFile]]:
    names = {name for source in sources for name in source.names if "\0" not in name}
    rows = list_media(user_id=user_id, project_id=project_id).filter(
        name__in=names, status=MediaStatus.READY
    )
    found: dict[str, list[MediaFile]] = {}
    for media in rows.only(*COLUMNS):
        found.setdefault(media.name, []).append(media)
    return found


def _by_name(names: Iterable[str], by_name: Mapping[str, list[MediaFile]]) -> str | None:
    for name in names:
        files = by_name.get(name, [])
        if len(files) == 1:
            return str(files[0].pk)
    return None
