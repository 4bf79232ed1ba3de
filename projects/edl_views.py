"""Serve the endpoints of a project's EDL."""

from dataclasses import asdict
from typing import Any, ClassVar, TypeVar
from uuid import UUID

from drf_spectacular.utils import extend_schema
from pydantic import BaseModel
from pydantic import ValidationError as ShapeError
from rest_framework.request import Request
from rest_framework.response import Response

from auteur.core.api.idempotency import idempotent
from auteur.core.api.parsing import JSONParser
from auteur.core.api.preconditions import (
    CONDITIONAL,
    ETAG,
    UNCHANGED,
    build_etag_header,
    build_if_match_parameter,
    build_not_modified_response,
    parse_versions,
)
from auteur.core.api.scopes import Scope
from auteur.core.api.views import APIView
from projects import authors, edl
from projects.access import get_edl_key
from projects.authors import get_author
from projects.serializers import (
    EditedSerializer,
    HistorySerializer,
    JsonPatchOperationSerializer,
    SteppedSerializer,
)
from projects.timeline import changes, editing, history, patching, rules
from projects.timeline.operations import Operation, Operations
from projects.timeline.session import EditResult
from projects.timeline.shape import Edl, EdlShape

JSON_PATCH = "application/json-patch+json"

T = TypeVar("T", bound=BaseModel)


class JsonPatchParser(JSONParser):
    """The parser of JSON Patches (RFC 6902)."""

    media_type = JSON_PATCH


class EdlView(APIView):
    """`/projects/:id/edl`."""

    scopes: ClassVar = {"GET": Scope.READ, "PUT": Scope.MEDIA, "PATCH": Scope.MEDIA}
    problems: ClassVar = {
        "GET": (edl.TimelineMissingProblem,),
        "PUT": editing.PROBLEMS,
        "PATCH": (*editing.PROBLEMS, *patching.PROBLEMS),
    }
    parser_classes = (JSONParser, JsonPatchParser)

    @extend_schema(
        summary="Get a project's EDL",
        parameters=[*CONDITIONAL],
        responses={200: Edl, **UNCHANGED},
    )
    def get(self, request: Request, project_id: UUID) -> Response:
        """Return the EDL, with its version as ``ETag``."""
        key = get_edl_key(request, project_id)
        if (
            answer := build_not_modified_response(request, lambda: edl.get_version(**key))
        ) is not None:
            return answer
        document = edl.read_edl(**key)
        return Response(document, headers=build_etag_header(document["version"]))

    @extend_schema(
        summary="Replace a project's EDL",
        description="Replaces the tracks, and the transcript if the request has one. Other "
        "fields of the `GET` response may be sent along and are ignored.",
        parameters=[build_if_match_parameter(required=True), ETAG],
        request=EdlShape,
        responses=EditedSerializer,
    )
    @idempotent
    def put(self, request: Request, project_id: UUID) -> Response:
        versions = parse_versions(request, required=True)
        key = get_edl_key(request, project_id)
        document = parse_body(EdlShape, request.data)
        author = get_author(request)
        return build_response(
            editing.replace_edl(**key, versions=versions, document=document, author=author)
        )

    @extend_schema(
        summary="Edit a project's EDL",
        description="Edits the EDL by named operations or by a JSON Patch (RFC 6902). Either all "
        "of them are applied, as one version, or none. A JSON Patch refers to indexes of lists, "
        "so it requires `If-Match` with the version. Named operations refer to ids; without "
        "`If-Match` they are applied to the latest version.",
        parameters=[build_if_match_parameter(required=False), ETAG],
        request={
            "application/json": Operations,
            JSON_PATCH: JsonPatchOperationSerializer(many=True),
        },
        responses=EditedSerializer,
    )
    @idempotent
    def patch(self, request: Request, project_id: UUID) -> Response:
        key, author = get_edl_key(request, project_id), get_author(request)
        if request.content_type.partition(";")[0].strip().lower() == JSON_PATCH:
            versions = parse_versions(request, required=True)
            patch = patching.parse_patch(request.data)
            return build_response(
                editing.patch_edl(**key, versions=versions, operations=patch, author=author)
            )
        versions = parse_versions(request, required=False)
        operations = parse_body(Operations, request.data).operations
        return build_response(
            editing.apply_operations(**key, versions=versions, operations=operations, author=author)
        )


class HistoryView(APIView):
    """`/projects/:id/edl/history`."""

    scopes: ClassVar = {"GET": Scope.READ}
    problems: ClassVar = {"GET": (edl.TimelineMissingProblem,)}

    @extend_schema(
        summary="List the edits of the EDL that can be undone and redone",
        description="Returns the author and time of each edit. Results of jobs are not edits.",
        parameters=[ETAG],
        responses=HistorySerializer,
    )
    def get(self, request: Request, project_id: UUID) -> Response:
        edit_history = history.read_history(**get_edl_key(request, project_id))
        body = {
            "version": edit_history.version,
            "undo": authors.list_edits(request, edit_history.undo),
            "redo": authors.list_edits(request, edit_history.redo),
        }
        return Response(body, headers=build_etag_header(edit_history.version))


class UndoView(APIView):
    """`/projects/:id/edl/undo`."""

    scopes: ClassVar = {"POST": Scope.MEDIA}
    problems: ClassVar = {"POST": (*editing.PROBLEMS, editing.NothingToUndoProblem)}

    @extend_schema(
        summary="Undo the last edit of the EDL",
        description="The answer is 409 `nothing_to_undo` if there is no edit to undo.",
        parameters=[build_if_match_parameter(required=False), ETAG],
        request=None,
        responses=SteppedSerializer,
    )
    @idempotent
    def post(self, request: Request, project_id: UUID) -> Response:
        versions = parse_versions(request, required=False)
        result = editing.undo_edit(**get_edl_key(request, project_id), versions=versions)
        return _build_step_response(request, result)


class RedoView(APIView):
    """`/projects/:id/edl/redo`."""

    scopes: ClassVar = {"POST": Scope.MEDIA}
    problems: ClassVar = {"POST": (*editing.PROBLEMS, editing.NothingToRedoProblem)}

    @extend_schema(
        summary="Redo the edit of the EDL that was undone last",
        description="The answer is 409 `nothing_to_redo` if there is no edit to redo. A new edit "
        "removes the edits that could be redone.",
        parameters=[build_if_match_parameter(required=False), ETAG],
        request=None,
        responses=SteppedSerializer,
    )
    @idempotent
    def post(self, request: Request, project_id: UUID) -> Response:
        versions = parse_versions(request, required=False)
        result = editing.redo_edit(**get_edl_key(request, project_id), versions=versions)
        return _build_step_response(request, result)


def parse_body(shape: type[T], data: Any) -> T:
    """Return the body as a value of this shape; raise a 400 problem that names malformed parts."""
    try:
        return shape.model_validate(data)
    except ShapeError as exc:
        rules.raise_shape_errors(exc, unnamed=Operation.named)


def build_response(result: EditResult) -> Response:
    """Return the result of an edit, with the new version's ``ETag``."""
    body: dict[str, Any] = {
        "version": result.version,
        "duration_ms": result.duration_ms,
        "undo_depth": result.undo_depth,
        "redo_depth": result.redo_depth,
        "patch": changes.as_json_patch(result.changes),
    }
    if result.removed:
        body["removed"] = [asdict(removal) for removal in result.removed]
    return Response(body, headers=build_etag_header(result.version))


def _build_step_response(request: Request, result: EditResult) -> Response:
    """Return the result of an undo or redo, and the author of the edit that it concerned."""
    response = build_response(result)
    if result.step is not None:
        response.data |= authors.describe_author(request, result.step)
    return response
