"""The endpoints of a project's transcript."""

from collections.abc import Callable, Iterable
from typing import Any, Literal, cast
from uuid import UUID

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from auteur.api.preconditions import ETAG, documented, etag, versions_of
from auteur.api.problems import field_problem
from auteur.api.requests import user_id
from projects import captions, transcript
from projects.access import owned_project
from projects.edl_views import answer, shaped
from projects.serializers import EditedSerializer
from projects.timeline import editing
from projects.timeline.shape import TranscriptShape
from projects.timeline.text_edits import SegmentEdit

TIMES = OpenApiParameter(
    "times",
    str,
    enum=["timeline", "source"],
    description="Whose times: the film's, with what its clips play, or the media's own, with all "
    "that is said. If absent the film's, unless no clip is on its timeline.",
)


class TranscriptView(APIView):
    """`/projects/:id/transcript`."""

    @extend_schema(
        summary="Get a project's transcript", parameters=[ETAG], responses=TranscriptShape
    )
    def get(self, request: Request, project_id: UUID) -> Response:
        """The transcript; ``ETag`` is the EDL's version."""
        owned_project(user_id=user_id(request), project_id=project_id)
        found = transcript.read(project_id=project_id, user_id=user_id(request))
        return Response(found, headers=etag(found.pop("version")))


class SegmentView(APIView):
    """`/projects/:id/transcript/segments/:segment_id`."""

    @extend_schema(
        summary="Edit a segment of the transcript",
        description="Deleting it, or words of it, cuts out the clips that play them; restoring "
        "brings those back. What is edited is kept beside what was heard.",
        parameters=[documented(required=False), ETAG],
        request=SegmentEdit,
        responses=EditedSerializer,
    )
    def patch(self, request: Request, project_id: UUID, segment_id: str) -> Response:
        """What has changed in the EDL."""
        versions = versions_of(request, required=False)
        owned_project(user_id=user_id(request), project_id=project_id)
        edited = editing.edit_segment(
            project_id=project_id,
            user_id=user_id(request),
            versions=versions,
            segment_id=segment_id,
            wanted=shaped(SegmentEdit, request.data),
        )
        return answer(edited)


class AsIs(BaseContentNegotiation):
    """The address says what comes; errors are problem documents whatever `Accept` says."""

    def select_parser(self, request: Request, parsers: Iterable[Any]) -> Any:
        """None is asked for."""
        return next(iter(parsers), None)

    def select_renderer(
        self, request: Request, renderers: Iterable[Any], format_suffix: str | None = None
    ) -> tuple[Any, str]:
        """The one for errors."""
        renderer = next(iter(renderers))
        return renderer, renderer.media_type


class CaptionsView(APIView):
    """A transcript as a file."""

    content_negotiation_class = AsIs
    content_type = ""
    written: Callable[..., str]

    def answer(self, request: Request, project_id: UUID) -> HttpResponse:
        """The file."""
        owned_project(user_id=user_id(request), project_id=project_id)
        body = type(self).written(
            project_id=project_id, user_id=user_id(request), times=_times(request)
        )
        return HttpResponse(body, content_type=f"{self.content_type}; charset=utf-8")


class SrtView(CaptionsView):
    """`/projects/:id/transcript.srt`."""

    content_type = "application/x-subrip"
    written = captions.srt

    @extend_schema(
        summary="Get a project's captions as SubRip",
        parameters=[TIMES],
        responses={(200, content_type): OpenApiTypes.STR},
    )
    def get(self, request: Request, project_id: UUID) -> HttpResponse:
        """The captions."""
        return self.answer(request, project_id)


class VttView(CaptionsView):
    """`/projects/:id/transcript.vtt`."""

    content_type = "text/vtt"
    written = captions.vtt

    @extend_schema(
        summary="Get a project's captions as WebVTT",
        description="With a voice span for each speaker, and a time for each word.",
        parameters=[TIMES],
        responses={(200, content_type): OpenApiTypes.STR},
    )
    def get(self, request: Request, project_id: UUID) -> HttpResponse:
        """The captions."""
        return self.answer(request, project_id)


class TextView(CaptionsView):
    """`/projects/:id/transcript.txt`."""

    content_type = "text/plain"
    written = captions.text

    @extend_schema(
        summary="Get a project's transcript as plain text",
        parameters=[TIMES],
        responses={(200, content_type): OpenApiTypes.STR},
    )
    def get(self, request: Request, project_id: UUID) -> HttpResponse:
        """The text."""
        return self.answer(request, project_id)


class JsonView(CaptionsView):
    """`/projects/:id/transcript.json`."""

    content_type = "application/json"
    written = captions.words_json

    @extend_schema(
        summary="Get a project's words as captions JSON",
        description="`duration`, `language` and `words` of `text`, `start` and `end`, in seconds.",
        parameters=[TIMES],
        responses={(200, content_type): OpenApiTypes.OBJECT},
    )
    def get(self, request: Request, project_id: UUID) -> HttpResponse:
        """The words."""
        return self.answer(request, project_id)


def _times(request: Request) -> captions.Times | None:
    times = request.query_params.get("times")
    if times not in (None, "timeline", "source"):
        raise field_problem("times", "invalid_choice", "It is `timeline` or `source`.")
    return cast(Literal["timeline", "source"] | None, times)
