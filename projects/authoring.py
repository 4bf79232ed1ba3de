"""Create and update the rows of projects; `projects.edl` changes their timelines."""

import logging
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db import transaction

from auteur.core.api.problems import OUTAGES
from projects import edl
from projects.access import get_project
from projects.models import Project

logger = logging.getLogger(__name__)

EDL_FIELDS = ("resolution", "frame_rate")


def create_project(*, user_id: UUID, fields: Mapping[str, Any]) -> Project:
    """Create a project with a blank EDL; in an outage of MongoDB, its first use creates the EDL."""
    project = Project.objects.create(user_id=user_id, **fields)
    try:
        edl.create_document(project)
    except OUTAGES as exc:
        logger.warning("no EDL yet for project %s: %s", project.pk, type(exc).__name__)
    project.refresh_from_db()
    return project


@transaction.atomic
def update_project(*, user_id: UUID, project_id: UUID, fields: Mapping[str, Any]) -> Project:
    """Update the row and the EDL's settings: both or, in an outage of MongoDB, neither."""
    project = get_project(user_id=user_id, project_id=project_id, lock=True)
    before = [getattr(project, name) for name in EDL_FIELDS]
    for name, value in fields.items():
        setattr(project, name, value)
    project.save(update_fields=[*fields, "updated_at"])
    project.refresh_from_db(fields=["updated_at"])
    if [getattr(project, name) for name in EDL_FIELDS] != before:
        edl.write_settings(project)
    return project
