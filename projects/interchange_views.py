"""Serve the endpoints that exchange a project's timeline with other editors."""

import codecs
from collections.abc import Mapping
from typing import IO, Any, ClassVar
from uuid import UUID

from django.http import HttpResponse, HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response

from auteur.core.api.idempotency import DOCUMENTED, idempotent
from auteur.core.api.preconditions import (
    ETAG,
    build_etag_header,
    build_if_match_parameter,
    parse_versions,
)
from auteur.core.api.problems import PayloadTooLargeProblem, field_problem
from auteur.core.api.requests import user_id
from auteur.core.api.scopes import Scope
from auteur.core.api.views import APIView
from auteur.core.work.sandbox_queue import QUEUE, FilesBusyProblem
from gpu_tasks.runtime.memory_budget import Reservation
from media.file_names import build_content_disposition
from projects.access import get_edl_key
from projects.authors import get_author
from projects.edl import TimelineMissingProblem
from projects.edl_views import build_response
from projects.interchange import exchange, limits
from projects.interchange.formats import FORMATS, MAX_INTERCHANGE_BYTES, Format
from projects.interchange.matching import UnmatchedMediaProblem
from projects.interchange.sandboxing import LIMITS, UnreadableFileProblem
from projects.serializers import EditedSerializer
from projects.timeline import editing
from projects.transcript_views import AsIs

FORMAT = OpenApiParameter(
    "format",
    str,
    enum=list(FORMATS),
    required=True,
    description="OpenTimelineIO, FCP XML (xmeml 4), or a CMX 3600 edit list.",
)
LEAVE_OUT = OpenApiParameter(
    "leave_out",
    str,
    description="Types of effects, separated by commas, that the file may omit if the format "
    "cannot represent them, such as `fade_in,gain`. `effects` means all except `speed`, without "
    "which clips would play other pictures. Without this parameter only deleted clips are left "
    "out.",
)
LEFT_OUT = OpenApiParameter(
    "X-Left-Out",
    str,
    OpenApiParameter.HEADER,
    response=[200],
    description="What was left out of the file, and how many of each: `deleted_clips=2, "
    "fade_in=1`.",
)


class TextParser(BaseParser):
    """The parser of files, of any content type."""

    media_type = "*/*"

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        body = stream.read(MAX_INTERCHANGE_BYTES + 1)
        if len(body) > MAX_INTERCHANGE_BYTES:
            raise PayloadTooLargeProblem(
                f"The file is too large: at most {MAX_INTERCHANGE_BYTES} bytes can be imported."
            )
        try:
            return body.removeprefix(codecs.BOM_UTF8).decode()
        except UnicodeDecodeError as exc:
            raise ParseError("The file is not UTF-8 text. Save it in UTF-8.") from exc


class ExportView(APIView):
    """`/projects/:id/edl/export`."""

    scopes: ClassVar = {"GET": Scope.READ}
    problems: ClassVar = {"GET": (TimelineMissingProblem, limits.CannotHoldProblem)}
    content_negotiation_class = AsIs

    @extend_schema(
        summary="Export a project's EDL for another editor",
        description="OpenTimelineIO contains everything except the transcript. FCP XML contains "
        "tracks, clips and cross-fades; CMX 3600 contains those of one video track. Both omit "
        "deleted clips. If the format cannot represent something else, the answer is 422 "
        "`cannot_hold` with `items`; `can_leave_out` lists the types of effects that `leave_out` "
        "may name. Times are rounded to the nearest frame of the project. docs/interchange.md "
        "lists what is written.",
        parameters=[FORMAT, LEAVE_OUT, ETAG, LEFT_OUT],
        responses={
            (200, kind): OpenApiTypes.OBJECT if kind.endswith("json") else OpenApiTypes.STR
            for kind in (form.content_type.partition(";")[0] for form in FORMATS.values())
        },
    )
    def get(self, request: Request, project_id: UUID) -> HttpResponse:
        form = _get_format(request)
        file = exchange.export_timeline(
            project_id=project_id,
            user_id=user_id(request),
            form=form,
            leave_out=_parse_left_out(request),
        )
        headers = {
            **build_etag_header(file.version),
            "Content-Disposition": build_content_disposition(file.name),
        }
        if file.left_out:
            counts = (f"{kind}={count}" for kind, count in file.left_out.items())
            headers[LEFT_OUT.name] = ", ".join(counts)
        return HttpResponse(file.text, content_type=form.content_type, headers=headers)


class ImportView(APIView):
    """`/projects/:id/edl/import`."""

    scopes: ClassVar = {"POST": Scope.MEDIA}
    problems: ClassVar = {
        "POST": (
            *editing.PROBLEMS,
            limits.CannotHoldProblem,
            UnmatchedMediaProblem,
            UnreadableFileProblem,
            FilesBusyProblem,
        )
    }
    content_negotiation_class = AsIs
    parser_classes = (TextParser,)

    @staticmethod
    def body_limit(method: str, query: str, **kwargs: object) -> int:
        """Return how many bytes of the body the server reads: a whole file."""
        return MAX_INTERCHANGE_BYTES

    @extend_schema(
        summary="Replace a project's EDL by another editor's",
        description="The body is the file, in UTF-8. Clips play the media that the file names by "
        "our ids, or else the project's files with the same names. The answer is 422 "
        "`unmatched_media` with the `names` that match no file, and 422 `cannot_hold` with what "
        "our timeline cannot represent, such as effects of other editors. Only elements that "
        "change nothing in the film, such as markers, are left out: docs/interchange.md lists "
        "them. The transcript stays. The answer is 503 `files_busy` while other files are being "
        "read; nothing has changed then, so try again.",
        parameters=[FORMAT, build_if_match_parameter(required=True), ETAG, *DOCUMENTED],
        request={"*/*": OpenApiTypes.BINARY},
        responses=EditedSerializer,
    )
    def post(self, request: Request, project_id: UUID) -> HttpResponseBase:
        # Reserve memory before the body is read, because reading it takes several times its size.
        with QUEUE.reserve(user_id(request), LIMITS) as memory:
            return self._replace(request, project_id, memory=memory)

    @idempotent
    def _replace(
        self, request: Request, project_id: UUID, *, memory: Reservation | None
    ) -> Response:
        form = _get_format(request)
        versions = parse_versions(request, required=True)
        key = get_edl_key(request, project_id)
        text = str(request.data or "")
        result = exchange.import_timeline(
            **key,
            versions=versions,
            form=form,
            text=text,
            author=get_author(request),
            memory=memory,
        )
        return build_response(result)


def _parse_left_out(request: Request) -> list[str]:
    try:
        return limits.parse_names(request.query_params.get("leave_out", ""))
    except ValueError as exc:
        raise field_problem("leave_out", "invalid", str(exc)) from exc


def _get_format(request: Request) -> Format:
    form = FORMATS.get(request.query_params.get("format", ""))
    if form is None:
        raise field_problem(
            "format", "invalid_choice", f"The format must be one of {', '.join(FORMATS)}."
        )
    return form
