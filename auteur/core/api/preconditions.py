"""`ETag`, `If-Match` and `If-None-Match`.

A write names the version that it changes and applies to no other. A read names the version that the
client has and gets 304 if that is the latest.
"""

import re
from collections.abc import Callable

from django.utils.http import parse_etags
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework.request import Request
from rest_framework.response import Response

from auteur.core.api.problems import Problem

HEADER = "If-Match"
HEADER_OF_READS = "If-None-Match"
NOT_MODIFIED = 304
MAX_TAGS = 10

_TAG = re.compile(r'(?:W/)?"([\x21\x23-\x7e]{0,64})"')

ETAG = OpenApiParameter(
    "ETag",
    str,
    OpenApiParameter.HEADER,
    response=[200],
    description="The version, in quotes.",
)
CONDITIONAL = (
    OpenApiParameter(
        HEADER_OF_READS,
        str,
        OpenApiParameter.HEADER,
        description="The `ETag` of your copy. The answer is 304 if it has not changed.",
    ),
    OpenApiParameter(
        ETAG.name,
        str,
        OpenApiParameter.HEADER,
        response=[200, NOT_MODIFIED],
        description="The version, in quotes.",
    ),
)
"""The headers of a read that uses `build_not_modified_response`."""
UNCHANGED = {NOT_MODIFIED: OpenApiResponse(description="Not modified.")}


class InvalidIfMatchProblem(Problem):
    """The header `If-Match` is not a list of entity tags."""

    default_code = "invalid_if_match"
    default_detail = f'{HEADER} must be an ETag such as "7", several separated by commas, or *.'


class PreconditionRequiredProblem(Problem):
    """The write names no version, so it could overwrite changes of others."""

    status_code = 428
    default_code = "if_match_required"
    default_detail = (
        f"Send the ETag of the version you read as {HEADER}, or * to overwrite any version."
    )


PROBLEMS = (InvalidIfMatchProblem, PreconditionRequiredProblem)
"""Problems that a request with the header can get, besides those of its view."""


def build_if_match_parameter(*, required: bool) -> OpenApiParameter:
    """Return the header's description for the API schema."""
    absent = "Required." if required else "Without it, the latest version is changed."
    return OpenApiParameter(
        HEADER,
        str,
        OpenApiParameter.HEADER,
        required=required,
        description=f"The `ETag` of the version to change; 412 if it is not the latest. {absent}",
    )


def build_etag_header(version: int | str) -> dict[str, str]:
    """Return the version as the header that `If-Match` and `If-None-Match` are compared with.

    A view whose response depends on more than the EDL appends that to the EDL's version: ``7.5f2``.
    """
    return {"ETag": f'"{version}"'}


def build_not_modified_response(
    request: Request, version: Callable[[], int | str]
) -> Response | None:
    """Return a 304 response if the request names the current version, else None.

    ``version`` is called only if the request names any version. Weak tags count as well, as in
    `parse_versions`.
    """
    tags = parse_etags(request.headers.get(HEADER_OF_READS, ""))
    if not tags:
        return None
    headers = build_etag_header(version())
    values = {tag.removeprefix("W/") for tag in tags}
    return (
        Response(status=NOT_MODIFIED, headers=headers) if values & {"*", headers["ETag"]} else None
    )


def parse_versions(request: Request, *, required: bool) -> frozenset[int] | None:
    """Return the versions that the request names, or None for any version.

    A tag that is not one of our versions is left out. Of a tag such as ``7.5f2`` the EDL's part
    counts. Weak tags count as well, because a proxy that compresses responses weakens them.
    """
    header = request.headers.get(HEADER)
    if header is None:
        if required:
            raise PreconditionRequiredProblem
        return None
    if header.strip() == "*":
        return None
    tags = [_TAG.fullmatch(tag.strip()) for tag in header.split(",", MAX_TAGS)]
    if not all(tags) or len(tags) > MAX_TAGS:
        raise InvalidIfMatchProblem
    values = [tag[1].partition(".")[0] for tag in tags if tag]
    return frozenset(int(value) for value in values if value.isascii() and value.isdigit())
