"""Serve the project endpoints."""

from time import time
from typing import Any, ClassVar
from uuid import UUID
from zlib import crc32

from django.conf import settings
from django.db.models import QuerySet
from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from auteur.core.api.cached_serializers import serialize
from auteur.core.api.filters import FilteredListView
from auteur.core.api.idempotency import idempotent
from auteur.core.api.pagination import build_cursor_pagination
from auteur.core.api.preconditions import (
    CONDITIONAL,
    UNCHANGED,
    build_etag_header,
    build_not_modified_response,
)
from auteur.core.api.requests import user_id
from auteur.core.api.scopes import Scope
from auteur.core.api.views import APIView
from projects import authoring, deletion, edl
from projects.access import get_project
from projects.models import Project
from projects.project_pictures import annotate_thumbnails
from projects.serializers import (
    ProjectDetailSerializer,
    ProjectFieldsSerializer,
    ProjectFilter,
    ProjectSerializer,
)


class ProjectsView(FilteredListView[Project]):
    """`/projects`."""

    scopes: ClassVar = {"GET": Scope.READ, "POST": Scope.MEDIA}
    serializer_class = ProjectSerializer
    pagination_class = build_cursor_pagination("projects")
    filter_class = ProjectFilter
    queryset = Project.objects.none()

    def rows(self) -> QuerySet[Project]:
        """Return the user's own projects."""
        return annotate_thumbnails(Project.objects.filter(user_id=user_id(self.request)))

    @extend_schema(summary="List your projects, newest first", parameters=[ProjectFilter])
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Return a page of projects without their EDLs."""
        return self.list(request, *args, **kwargs)

    @extend_schema(
        summary="Create a project",
        request=ProjectFieldsSerializer,
        responses={201: ProjectSerializer},
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """Create a project with a blank EDL."""
        project = authoring.create_project(
            user_id=user_id(request), fields=_validate_fields(request)
        )
        location = {"Location": reverse("project", args=[project.pk])}
        return Response(ProjectSerializer(project).data, status=201, headers=location)


class ProjectView(APIView):
    """`/projects/:id`."""

    scopes: ClassVar = {
        "GET": Scope.READ,
        "PUT": Scope.MEDIA,
        "PATCH": Scope.MEDIA,
        "DELETE": Scope.MEDIA,
    }
    problems: ClassVar = dict.fromkeys(("GET", "PUT", "PATCH"), (edl.TimelineMissingProblem,))

    @extend_schema(
        summary="Get a project with its EDL",
        description="`ETag` has the EDL's version and, after a dot, a part that changes with the "
        "project's own fields. In `If-Match` of an edit it stands for the EDL's version.",
        parameters=[*CONDITIONAL],
        responses={200: ProjectDetailSerializer, **UNCHANGED},
    )
    def get(self, request: Request, project_id: UUID) -> Response:
        """Return the project with its EDL."""
        project = get_project(user_id=user_id(request), project_id=project_id)
        key = {"project_id": project_id, "user_id": project.user_id}
        not_modified = build_not_modified_response(
            request, lambda: _build_version(project, edl.get_version(**key))
        )
        if not_modified is not None:
            return not_modified
        document = edl.read_edl(**key)
        body = serialize(ProjectSerializer, project) | {"edl": document}
        return Response(
            body, headers=build_etag_header(_build_version(project, document["version"]))
        )

    @extend_schema(
        summary="Update a project",
        request=ProjectFieldsSerializer,
        responses=ProjectSerializer,
    )
    def put(self, request: Request, project_id: UUID) -> Response:
        """Update the project. Missing optional fields keep their values."""
        return self._update(request, project_id, _validate_fields(request))

    @extend_schema(
        summary="Update parts of a project",
        request=ProjectFieldsSerializer(partial=True),
        responses=ProjectSerializer,
    )
    def patch(self, request: Request, project_id: UUID) -> Response:
        """Update parts of the project."""
        return self._update(request, project_id, _validate_fields(request, partial=True))

    @extend_schema(
        summary="Delete a project, its media and its EDL; open jobs are cancelled",
        description="Open jobs are cancelled with the refunds of your own cancels: jobs that "
        "have begun are refunded a number of times in 24 hours, further ones are cancelled "
        "without a refund.",
        responses={204: None},
    )
    def delete(self, request: Request, project_id: UUID) -> Response:
        """Delete the project."""
        deletion.delete_project(user_id=user_id(request), project_id=project_id)
        return Response(status=204)

    def _update(self, request: Request, project_id: UUID, fields: dict[str, Any]) -> Response:
        project = authoring.update_project(
            user_id=user_id(request), project_id=project_id, fields=fields
        )
        return Response(ProjectSerializer(project).data)


def _build_version(project: Project, edl_version: int) -> str:
    """Return a version of the whole response; it changes before the picture's URL expires."""
    parts = [str(project.updated_at)]
    if project.thumbnail_r2_key:
        parts += [project.thumbnail_r2_key, str(time() // (settings.PRESIGNED_URL_SECONDS / 2))]
    return f"{edl_version}.{crc32(' '.join(parts).encode()):08x}"


def _validate_fields(request: Request, *, partial: bool = False) -> dict[str, Any]:
    serializer = ProjectFieldsSerializer(data=request.data, partial=partial)
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)
