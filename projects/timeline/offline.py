"""Clips of deleted media: the projects that show a file, and the clips' mark when it is deleted."""

from collections.abc import Collection, Iterator
from contextlib import suppress
from functools import partial
from typing import Any
from uuid import UUID

from auteur.core.api.problems import NotFoundProblem
from projects import edl
from projects.connection import edls
from projects.models import Project
from projects.timeline import editing, sources
from projects.timeline.content import Document, all_clips
from projects.timeline.session import Edit, Needs

MAX_PROJECTS_NAMED = 20
MAX_CLIPS_NAMED = 20
"""Of one project; all are counted."""


def list_showing_projects(*, user_id: UUID, media_id: UUID) -> list[dict[str, Any]]:
    """Return the user's projects whose timelines play the media file, with the clips."""
    result: list[dict[str, Any]] = []
    names = dict(Project.objects.filter(user_id=user_id).values_list("pk", "name"))
    for document in _find_documents(user_id, names, [media_id]):
        clips = [
            clip["id"]
            for clip in all_clips(document["tracks"])
            if clip["media_file_id"] == str(media_id) and not clip["deleted"]
        ]
        if clips:
            project_id = UUID(document["project_id"])
            result.append(
                {
                    "project_id": str(project_id),
                    "name": names[project_id],
                    "clip_count": len(clips),
                    "clip_ids": clips[:MAX_CLIPS_NAMED],
                }
            )
        if len(result) == MAX_PROJECTS_NAMED:
            break
    return result


def take_offline(
    *, user_id: UUID, media_ids: Collection[UUID], leaving: UUID | None = None
) -> None:
    """Mark the clips of media that the caller has locked and deletes, except in ``leaving``.

    Deleted clips too, because they can be restored. Each timeline gets a new version, which nobody
    can undo. Raise ``StaleEdlProblem`` only if others write without a pause.
    """
    projects = Project.objects.filter(user_id=user_id)
    if leaving is not None:
        projects = projects.exclude(pk=leaving)
    ids = projects.values_list("pk", flat=True)
    deleted = frozenset(map(str, media_ids))
    for document in list(_find_documents(user_id, ids, media_ids)):
        # The project or its timeline may have been deleted meanwhile.
        with suppress(NotFoundProblem, edl.TimelineMissingProblem):
            edit = Edit(
                needs=Needs(tracks=True),
                change=partial(sources.mark_clips, decided=deleted, deleted=deleted),
                kind="system",
            )
            editing.make_edit(edit, project_id=UUID(document["project_id"]), user_id=user_id)


def _find_documents(
    user_id: UUID, project_ids: Collection[UUID], media_ids: Collection[UUID]
) -> Iterator[Document]:
    """Yield the clips' media of those of the projects that show any of the media."""
    if not project_ids or not media_ids:
        return
    fields = [f"tracks.clips.{name}" for name in ("id", "media_file_id", "deleted")]
    documents = edls(
        project_id__in=[str(project_id) for project_id in project_ids],
        user_id=str(user_id),
        __raw__={"tracks.clips.media_file_id": {"$in": [str(media) for media in media_ids]}},
    )
    yield from documents.only("project_id", *fields).as_pymongo()
