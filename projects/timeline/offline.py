"""Clips of media that is deleted: where a file is shown, and their mark when it goes."""

from collections.abc import Collection, Iterator
from contextlib import suppress
from typing import Any
from uuid import UUID

from auteur.core.api.problems import NotFoundProblem
from projects import edl
from projects.connection import edls
from projects.models import Project
from projects.timeline import editing, sources
from projects.timeline.content import Document, all_clips
from projects.timeline.session import Needs

MAX_PROJECTS_NAMED = 20
MAX_CLIPS_NAMED = 20
"""Of one project; all are counted."""


def list_showing_projects(*, user_id: UUID, media_id: UUID) -> list[dict[str, Any]]:
    """The user's projects whose timelines play the media file, and by which clips."""
    found = []
    names = dict(Project.objects.filter(user_id=user_id).values_list("pk", "name"))
    for document in _documents(user_id, names, [media_id]):
        clips = [
            clip["id"]
            for clip in all_clips(document["tracks"])
            if clip["media_file_id"] == str(media_id) and not clip["deleted"]
        ]
        if clips:
            project_id = UUID(document["project_id"])
            found.append(
                {
                    "project_id": str(project_id),
                    "name": names[project_id],
                    "clip_count": len(clips),
                    "clip_ids": clips[:MAX_CLIPS_NAMED],
                }
            )
        if len(found) == MAX_PROJECTS_NAMED:
            break
    return found


def take_offline(
    *, user_id: UUID, media_ids: Collection[UUID], leaving: UUID | None = None
) -> None:
    """Mark the clips of media that the caller holds and deletes, but in the ``leaving`` project.

    Deleted clips too, for they can come back. Each timeline gets a new version, which nobody can
    undo; raises ``StaleEdlProblem`` only where others write without a pause.
    """
    projects = Project.objects.filter(user_id=user_id)
    if leaving is not None:
        projects = projects.exclude(pk=leaving)
    ids = projects.values_list("pk", flat=True)
    gone = frozenset(map(str, media_ids))
    for document in list(_documents(user_id, ids, media_ids)):
        project_id = UUID(document["project_id"])
        # The project, or its timeline, has gone meanwhile.
        with suppress(NotFoundProblem, edl.TimelineMissingProblem):
            _mark(project_id, user_id, gone)


def _documents(
    user_id: UUID, project_ids: Collection[UUID], media_ids: Collection[UUID]
) -> Iterator[Document]:
    """What the clips show in those of the projects that show any of the media."""
    if not project_ids or not media_ids:
        return
    wanted = [f"tracks.clips.{name}" for name in ("id", "media_file_id", "deleted")]
    found = edls(
        project_id__in=[str(each) for each in project_ids],
        user_id=str(user_id),
        __raw__={"tracks.clips.media_file_id": {"$in": [str(each) for each in media_ids]}},
    )
    yield from found.only("project_id", *wanted).as_pymongo()


def _mark(project_id: UUID, user_id: UUID, gone: frozenset[str]) -> None:
    editing.edit(
        project_id=project_id,
        user_id=user_id,
        needs=Needs(tracks=True),
        change=lambda content: sources.with_marks(content, decided=gone, gone=gone),
        way=lambda session, after: {},
    )
