"""What projects hold of a person: names, timelines and transcripts."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from django.db.models.functions import Now

from auteur.personal_data import (
    Listing,
    PersonalDataSource,
    Steps,
    delete_in_batches,
    iterate_pages,
    list_rows,
    register_source,
)
from projects import deletion, edl
from projects.connection import edls
from projects.models import Project, RenderFolder


def register_personal_data() -> None:
    """To be called once, when Django is ready."""
    register_source(
        PersonalDataSource(
            room="projects",
            owners={"projects.Project": "user", "projects.RenderFolder": "user_id"},
            scrub=_scrub,
            listings=(Listing("projects", _with_edls),),
        )
    )


def _with_edls(user_id: UUID) -> Iterator[dict[str, Any]]:
    for row in list_rows(Project.objects.filter(user_id=user_id)):
        try:
            document = edl.read_edl(project_id=row["id"], user_id=user_id)
        except edl.TimelineMissingProblem:
            document = None  # staff are told by `edl_verify`; all else is exported
        yield {**row, "edl": document}


def _scrub(user_id: UUID) -> Steps:
    mine = Project.with_deleted.filter(user_id=user_id)
    yield mine.filter(deleted_at=None).update(deleted_at=Now())
    for page in iterate_pages(mine):
        for project in page:
            yield from deletion.steps(project)
            yield project
    # Those of projects that were deleted while MongoDB was away.
    yield edls(user_id=str(user_id)).delete()
    # What lies in them goes with all other objects.
    yield from delete_in_batches(RenderFolder.objects.filter(user_id=user_id))
