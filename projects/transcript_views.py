"""Serve the endpoints of a project's transcript."""

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
    build_etag_header,
    build_if_match_parameter,
    build_not_modified_response,
    parse_versions,
)
from auteur.core.api.problems import field_problem
from auteur.core.api.scopes import Scope
from auteur.core.api.views import APIView
from projects import captions, edl, transcript
from projects.access import get_edl_key
from projects.authors import get_author
from projects.edl_views import build_response, parse_body
from projects.serializers import CaptionWordsSerializer, EditedSerializer
from projects.timeline import editing
from projects.timeline.shape import TranscriptShape
from projects.timeline.text_edits import SegmentEdit

TIMES = OpenApiParameter(
    "times",
    str,
    enum=["timeline", "source"],
    description="The times to return: `timeline` for those of the film, with the words that its "
    "clips play; `source` for those of the media, with all words. The default is `timeline` if "
    "the timeline has a clip, otherwise `source`.",
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
        """Return the transcript, with the EDL's version as ``ETag``."""
        key = get_edl_key(request, project_id)
        if (
            answer := build_not_modified_response(request, lambda: edl.get_version(**key))
        ) is not None:
            return answer
        document = transcript.read_transcript(**key)
        return Response(document, headers=build_etag_header(document.pop("version")))


class SegmentView(APIView):
    """`/projects/:id/transcript/segments/:segment_id`."""

    scopes: ClassVar = {"PATCH": Scope.MEDIA}
    problems: ClassVar = {"PATCH": editing.PROBLEMS}

    @extend_schema(
        summary="Edit a segment of the transcript",
        description="Deleting the segment or some of its words cuts the clips that play them; "
        "restoring brings them back. Edited text is stored beside the recognized text.",
        parameters=[build_if_match_parameter(required=False), ETAG],
        request=SegmentEdit,
        responses=EditedSerializer,
    )
    @idempotent
    def patch(self, request: Request, project_id: UUID, segment_id: str) -> Response:
        versions = parse_versions(request, required=False)
        key = get_edl_key(request, project_id)
        segment_edit = parse_body(SegmentEdit, request.data)
        result = editing.edit_segment(
            **key,
            versions=versions,
            segment_id=segment_id,
            wanted=segment_edit,
            author=get_author(request),
        )
        return build_response(result)


class AsIs(BaseContentNegotiation):
    """Ignore `Accept`: the URL decides the content type, and errors are problem documents."""

    def select_parser(self, request: Request, parsers: Iterable[Any]) -> Any:
        return next(iter(parsers), None)

    def select_renderer(
        self, request: Request, renderers: Iterable[Any], format_suffix: str | None = None
    ) -> tuple[Any, str]:
        renderer = next(iter(renderers))
        return renderer, renderer.media_type


class CaptionsView(APIView):
    """Return a transcript as a file."""

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
    write = captions.write_srt


@extend_schema_view(
    get=extend_schema(
        summary="Get a project's captions as WebVTT",
        description="Returns WebVTT with a voice span for each speaker and a time for each word.",
        parameters=[TIMES],
        responses={(200, "text/vtt"): OpenApiTypes.STR},
    )
)
class VttView(CaptionsView):
    """`/projects/:id/transcript.vtt`."""

    content_type = "text/vtt"
    write = captions.write_vtt


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
    write = captions.write_text


@extend_schema_view(
    get=extend_schema(
        summary="Get a project's words as captions JSON",
        description="Returns `duration`, `language` and `words` with `text`, `start` and `end`. "
        "Times are in seconds.",
        parameters=[TIMES],
        responses={(200, "application/json"): CaptionWordsSerializer},
    )
)
class JsonView(CaptionsView):
    """`/projects/:id/transcript.json`."""

    content_type = "application/json"
    write = captions.write_words_json


def _parse_times(request: Request) -> captions.Times | None:
    times = request.query_params.get("times")
    if times not in (None, "timeline", "source"):
        raise field_problem("times", "invalid_choice", "The value must be `timeline` or `source`.")
    return cast(Literal["timeline", "source"] | None, times)
