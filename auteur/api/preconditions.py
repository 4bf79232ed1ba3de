"""`ETag`, `If-Match` and `If-None-Match`: a write names the version that it is for, and applies to
no other; a read names the one that its client has, and is not answered again.
"""

import re
from collections.abc import Callable

from django.utils.http import parse_etags
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework.request import Request
from rest_framework.response import Response

from auteur.api.problems import Problem

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
"""The headers of a read by `not_modified_response`."""
UNCHANGED = {NOT_MODIFIED: OpenApiResponse(description="Not modified.")}


class InvalidIfMatchProblem(Problem):
    """The header is no list of entity tags."""

    default_code = "invalid_if_match"
    default_detail = f'{HEADER} must be an ETag such as "7", several separated by commas, or *.'


class PreconditionRequiredProblem(Problem):
    """A write that would overwrite unseen what others have written."""

    status_code = 428
    default_code = "if_match_required"
    default_detail = (
        f"Send the ETag of the version you read as {HEADER}, or * to overwrite any version."
    )


PROBLEMS = (InvalidIfMatchProblem, PreconditionRequiredProblem)
"""What a request that takes the header may be answered, besides what its view says."""


def if_match_parameter(*, required: bool) -> OpenApiParameter:
    """The header as the API's schema describes it."""
    absent = "Required." if required else "Without it, the latest version is changed."
    return OpenApiParameter(
        HEADER,
        str,
        OpenApiParameter.HEADER,
        required=required,
        description=f"The `ETag` of the version to change; 412 if it is not the latest. {absent}",
    )


def etag_header(version: int | str) -> dict[str, str]:
    """The version as the header that `If-Match` and `If-None-Match` are compared with.

    What changes by itself beside an EDL appends that to the EDL's version: ``7.5f2``.
    """
    return {"ETag": f'"{version}"'}


def not_modified_response(request: Request, version: Callable[[], int | str]) -> Response | None:
    """304 for who names the version as it is; it is asked for only where any is named.

    Weak tags count as well, as in `parse_versions`.
    """
    known = parse_etags(request.headers.get(HEADER_OF_READS, ""))
    if not known:
        return None
    headers = etag_header(version())
    named = {tag.removeprefix("W/") for tag in known}
    return (
        Response(status=NOT_MODIFIED, headers=headers) if named & {"*", headers["ETag"]} else None
    )


def parse_versions(request: Request, *, required: bool) -> frozenset[int] | None:
    """The versions that the request is for; None for any. A tag of no version of ours is none.

    Of a tag of an EDL and more, the EDL's part counts. Weak tags count as well: a proxy that
    compresses makes them so.
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
