"""List and erase the personal data in projects: names, timelines and transcripts."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from django.db.models.functions import Now

from auteur.core.personal_data import (
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
    """Register the personal data of projects; called once, when Django is ready."""
    register_source(
        PersonalDataSource(
            app="projects",
            owners={"projects.Project": "user", "projects.RenderFolder": "user_id"},
            erase=_erase,
            listings=(Listing("projects", _iterate_projects_with_edls),),
        )
    )


def _iterate_projects_with_edls(user_id: UUID) -> Iterator[dict[str, Any]]:
    for row in list_rows(Project.objects.filter(user_id=user_id)):
        try:
            document = edl.read_edl(project_id=row["id"], user_id=user_id)
        except edl.TimelineMissingProblem:
            document = None  # Export the rest; `edl_verify` reports the loss to staff.
        yield {**row, "edl": document}


def _erase(user_id: UUID) -> Steps:
    projects = Project.with_deleted.filter(user_id=user_id)
    yield projects.filter(deleted_at=None).update(deleted_at=Now())
    for page in iterate_pages(projects):
        for project in page:
            yield from deletion.delete_contents(project)
            yield project
    # Delete the EDLs of projects that were deleted during an outage of MongoDB.
    yield edls(user_id=str(user_id)).delete()
    # The objects in the folders are deleted with all other objects of the user.
    yield from delete_in_batches(RenderFolder.objects.filter(user_id=user_id))
