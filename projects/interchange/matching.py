"""Which of the user's media the clips of a foreign timeline play."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from auteur.api.problems import Problem
from media.access import media_of
from media.models import MediaFile, MediaStatus
from projects.interchange.terms import MAX_NAMED, MediaReference
from projects.timeline.content import Track, all_clips


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


def match(
    sources: Iterable[MediaReference], *, user_id: UUID, project_id: UUID, tracks: list[Track]
) -> Matched:
    """By id among the user's ready media and what the timeline shows already, else by name.

    Names are those of the project's files; raises ``UnmatchedMediaProblem`` with those that are
    none's, or several's.
    """
    wanted = list(dict.fromkeys(sources))
    named_ids = {source.media_id for source in wanted if source.media_id}
    known = _shown(tracks, named_ids) | _durations(user_id, named_ids)
    by_name = _named(user_id, project_id, wanted)
    ids: dict[MediaReference, str] = {}
    for source in wanted:
        found = source.media_id if source.media_id in known else _by_name(source, by_name)
        if found is not None:
            ids[source] = found
    unmatched = [source for source in wanted if source not in ids]
    if unmatched:
        names = [next(iter(each.names), each.media_id or "") for each in unmatched]
        raise UnmatchedMediaProblem(names=list(dict.fromkeys(names))[:MAX_NAMED])
    named = {str(each.pk): each.duration_ms for files in by_name.values() for each in files}
    return Matched(ids, named | known)


def _durations(user_id: UUID, ids: set[str]) -> dict[str, int | None]:
    rows = media_of(user_id=user_id).filter(pk__in=ids, status=MediaStatus.READY)
    return {str(media.pk): media.duration_ms for media in rows.only("pk", "duration_ms")}


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
    rows = media_of(user_id=user_id, project_id=project_id).filter(
        name__in=names, status=MediaStatus.READY
    )
    found: dict[str, list[MediaFile]] = {}
    for media in rows.only("pk", "name", "duration_ms"):
        found.setdefault(media.name, []).append(media)
    return found


def _by_name(source: MediaReference, by_name: Mapping[str, list[MediaFile]]) -> str | None:
    for name in source.names:
        files = by_name.get(name, [])
        if len(files) == 1:
            return str(files[0].pk)
    return None
