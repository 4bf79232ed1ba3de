"""Serve the endpoint of one frame of a project's timeline."""

from typing import Any, ClassVar
from uuid import UUID

from django.http import HttpResponse, HttpResponseBase
from django.utils.cache import get_conditional_response
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from auteur.core.api.preconditions import ETAG
from auteur.core.api.requests import user_id
from auteur.core.api.scopes import Scope
from auteur.core.api.throttling import Cost, charge_points
from auteur.core.api.views import APIView
from projects.access import get_project
from projects.documents import MAX_TIME_MS
from projects.rendering import frames
from projects.transcript_views import AsIs


class FrameQuery(serializers.Serializer[Any]):
    """The time and the width of a frame."""

    at_ms = serializers.IntegerField(
        min_value=0, max_value=MAX_TIME_MS, help_text="The time on the timeline."
    )
    width = serializers.IntegerField(
        min_value=frames.MIN_WIDTH,
        max_value=frames.MAX_WIDTH,
        default=frames.DEFAULT_WIDTH,
        help_text="The width in pixels. The picture has even sides and is no larger than the film.",
    )


class FrameView(APIView):
    """`/projects/:id/frame`."""

    scopes: ClassVar = {"GET": Scope.READ}
    costs: ClassVar = {"GET": Cost.REQUEST}
    problems: ClassVar = {"GET": frames.PROBLEMS}
    content_negotiation_class = AsIs

    @extend_schema(
        summary="See one frame of a project's timeline",
        description="Returns a JPEG of the film at that time as a render would show it, without "
        "captions; black if no clip is shown. The picture is the same until the EDL has another "
        "version: cache it, and request it again with `If-None-Match` (304). A picture that must "
        "be rendered costs five points, others one. One picture of a user is rendered at a time, "
        "alternating between users. The answer is 503 `frames_busy` if the wait is too long.",
        parameters=[
            FrameQuery,
            OpenApiParameter("If-None-Match", str, OpenApiParameter.HEADER),
            ETAG,
        ],
        responses={
            (200, "image/jpeg"): OpenApiTypes.BINARY,
            304: OpenApiResponse(description="The cached response is still valid."),
        },
    )
    def get(self, request: Request, project_id: UUID) -> HttpResponseBase:
        """Return the picture, or 304 if the client has it."""
        project = get_project(user_id=user_id(request), project_id=project_id)
        query = FrameQuery(data=request.query_params)
        query.is_valid(raise_exception=True)
        parameters = query.validated_data
        version = frames.get_version_at(project, at_ms=parameters["at_ms"])
        headers = _build_headers(version, **parameters)
        empty = HttpResponse(headers=headers)
        conditional_response = get_conditional_response(
            request._request, headers["ETag"], response=empty
        )
        if conditional_response is not None and conditional_response is not empty:
            return conditional_response
        plan = frames.plan_picture(project, **parameters)
        frame = frames.find_frame(plan)
        if frame is None:
            with frames.reserve_memory(plan) as memory:
                charge_points(request, Cost.FRAME - Cost.REQUEST)
                frame = frames.make_frame(plan, memory)
        headers = _build_headers(frame.version, **parameters)
        return HttpResponse(frame.content, content_type="image/jpeg", headers=headers)


def _build_headers(version: int, *, at_ms: int, width: int) -> dict[str, str]:
    # The URL names no version, so clients revalidate a picture that they have.
    return {"ETag": f'"{version}-{at_ms}-{width}"', "Cache-Control": "private, no-cache"}
