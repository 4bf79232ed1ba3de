"""The endpoints of a project's transcript."""

from collections.abc import Callable, Iterable
from typing import Any, ClassVar, Literal, cast
from uuid import UUID

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework.exceptions import ValidationError
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.request import Request
from rest_framework.response import Response

from auteur.core.api.idempotency import idempotent
from auteur.core.api.preconditions import (
    CONDITIONAL,
    ETAG,
    UNCHANGED,
    etag_header,
    if_match_parameter,
    not_modified_response,
    parse_versions,
)
from auteur.core.api.problems import field_problem
from auteur.core.api.scopes import Scope
from auteur.core.api.views import APIView
from projects import captions, edl, transcript
from projects.access import get_edl_key
from projects.authors import author_of
from projects.edl_views import response_of, shaped
from projects.serializers import CaptionWordsSerializer, EditedSerializer
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

    scopes: ClassVar = {"GET": Scope.READ}
    problems: ClassVar = {"GET": (edl.TimelineMissingProblem,)}

    @extend_schema(
        summary="Get a project's transcript",
        parameters=[*CONDITIONAL],
        responses={200: TranscriptShape, **UNCHANGED},
    )
    def get(self, request: Request, project_id: UUID) -> Response:
        """The transcript; ``ETag`` is the EDL's version."""
        key = get_edl_key(request, project_id)
        if (answer := not_modified_response(request, lambda: edl.version_of(**key))) is not None:
            return answer
        document = transcript.read_transcript(**key)
        return Response(document, headers=etag_header(document.pop("version")))


class SegmentView(APIView):
    """`/projects/:id/transcript/segments/:segment_id`."""

    scopes: ClassVar = {"PATCH": Scope.MEDIA}
    problems: ClassVar = {"PATCH": editing.PROBLEMS}

    @extend_schema(
        summary="Edit a segment of the transcript",
        description="Deleting it, or words of it, cuts out the clips that play them; restoring "
        "brings those back. What is edited is kept beside what was heard.",
        parameters=[if_match_parameter(required=False), ETAG],
        request=SegmentEdit,
        responses=EditedSerializer,
    )
    @idempotent
    def patch(self, request: Request, project_id: UUID, segment_id: str) -> Response:
        versions = parse_versions(request, required=False)
        key = get_edl_key(request, project_id)
        segment_edit = shaped(SegmentEdit, request.data)
        result = editing.edit_segment(
            **key,
            versions=versions,
            segment_id=segment_id,
            segment_edit=segment_edit,
            author=author_of(request),
        )
        return response_of(result)


class AsIs(BaseContentNegotiation):
    """The address says what comes; errors are problem documents whatever `Accept` says."""

    def select_parser(self, request: Request, parsers: Iterable[Any]) -> Any:
        return next(iter(parsers), None)

    def select_renderer(
        self, request: Request, renderers: Iterable[Any], format_suffix: str | None = None
    ) -> tuple[Any, str]:
        renderer = next(iter(renderers))
        return renderer, renderer.media_type


class CaptionsView(APIView):
    """A transcript as a file."""

    scopes: ClassVar = {"GET": Scope.READ}
    problems: ClassVar = {
        "GET": (edl.TimelineMissingProblem, captions.TooMuchSpokenProblem, ValidationError)
    }
    content_negotiation_class = AsIs
    content_type = ""
    write: Callable[..., str]

    def get(self, request: Request, project_id: UUID) -> HttpResponse:
        key = get_edl_key(request, project_id)
        body = type(self).write(**key, times=_parse_times(request))
        return HttpResponse(body, content_type=f"{self.content_type}; charset=utf-8")


@extend_schema_view(
    get=extend_schema(
        summary="Get a project's captions as SubRip",
        description="The captions.",
        parameters=[TIMES],
        responses={(200, "application/x-subrip"): OpenApiTypes.STR},
    )
)
class SrtView(CaptionsView):
    """`/projects/:id/transcript.srt`."""

    content_type = "application/x-subrip"
    write = captions.srt


@extend_schema_view(
    get=extend_schema(
        summary="Get a project's captions as WebVTT",
        description="With a voice span for each speaker, and a time for each word.",
        parameters=[TIMES],
        responses={(200, "text/vtt"): OpenApiTypes.STR},
    )
)
class VttView(CaptionsView):
    """`/projects/:id/transcript.vtt`."""

    content_type = "text/vtt"
    write = captions.vtt


@extend_schema_view(
    get=extend_schema(
        summary="Get a project's transcript as plain text",
        description="The text.",
        parameters=[TIMES],
        responses={(200, "text/plain"): OpenApiTypes.STR},
    )
)
class TextView(CaptionsView):
    """`/projects/:id/transcript.txt`."""

    content_type = "text/plain"
    write = captions.text


@extend_schema_view(
    get=extend_schema(
        summary="Get a project's words as captions JSON",
        description="`duration`, `language` and `words` of `text`, `start` and `end`, in seconds.",
        parameters=[TIMES],
        responses={(200, "application/json"): CaptionWordsSerializer},
    )
)
class JsonView(CaptionsView):
    """`/projects/:id/transcript.json`."""

    content_type = "application/json"
    write = captions.words_json


def _parse_times(request: Request) -> captions.Times | None:
    times = request.query_params.get("times")
    if times not in (None, "timeline", "source"):
        raise field_problem("times", "invalid_choice", "It is `timeline` or `source`.")
    return cast(Literal["timeline", "source"] | None, times)
