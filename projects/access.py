"""Check who owns a project: another user's project does not exist for a caller."""

from uuid import UUID

from rest_framework.request import Request

from auteur.core.api.problems import NotFoundProblem, Resource
from auteur.core.api.requests import user_id as user_of
from auteur.core.database import execute
from projects.models import Project
from projects.project_pictures import annotate_thumbnails

OWNERSHIP_QUERY = """
SELECT 1 FROM projects
WHERE id = %(project_id)s AND user_id = %(user_id)s AND deleted_at IS NULL"""


def get_project(*, user_id: UUID, project_id: UUID, lock: bool = False) -> Project:
    """Return the user's project; raise ``NotFoundProblem`` if there is none.

    ``lock`` locks its row until the transaction ends.
    """
    rows = Project.objects.select_for_update(no_key=True) if lock else Project.objects
    project = annotate_thumbnails(rows.filter(pk=project_id, user_id=user_id)).first()
    if project is None:
        raise NotFoundProblem(Resource.PROJECT)
    return project


def get_edl_key(request: Request, project_id: UUID) -> dict[str, UUID]:
    """Return the key of the EDL; raise ``NotFoundProblem`` if the project is not the user's."""
    key = {"project_id": project_id, "user_id": user_of(request)}
    if not execute(OWNERSHIP_QUERY, key):
        raise NotFoundProblem(Resource.PROJECT)
    return key
