"""Serve the signed URLs of the file-system storage, streaming in both directions."""

import errno
import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any, BinaryIO

from django.conf import settings
from django.core.files.storage import storages
from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.request import Request
from rest_framework.views import APIView

from auteur.core.api.problems import (
    NotFoundProblem,
    Problem,
    Resource,
    UnavailableProblem,
    problem_response,
)
from media.content_types import SERVED
from media.file_names import build_content_disposition
from media.problems import FileTooLargeProblem, SizeMismatchProblem
from media.storage import ObjectMissingError
from media.storage.filesystem import (
    CHUNK_BYTES,
    UNKNOWN_CONTENT_TYPE,
    ObjectExistsError,
    SignedFileSystemStorage,
)
from media.storage.owners import lock_expected_upload
from media.storage.ranges import ByteRange, NotSatisfiableError, parse_range
from media.storage.signing import Grant

logger = logging.getLogger(__name__)


class LengthRequiredProblem(Problem):
    """Raised if the request has no Content-Length header."""

    status_code = 411
    default_code = "length_required"
    default_detail = "Send a Content-Length header."


class ContentTypeMismatchProblem(Problem):
    """Raised if the request has another content type than the URL was signed for."""

    status_code = 403
    default_code = "content_type_mismatch"
    default_detail = (
        "The Content-Type header differs from that of the signed URL. Send the headers of the "
        "upload unchanged."
    )


class BodyIncompleteProblem(Problem):
    """Raised if the connection ended before the body was complete. Nothing was stored."""

    status_code = 400
    default_code = "body_incomplete"
    default_detail = "The body is shorter than its Content-Length. Send it again."


class AlreadyUploadedProblem(Problem):
    """Raised if the URL may be used only once and has been used."""

    status_code = 412
    default_code = "already_uploaded"
    default_detail = (
        "A file was already uploaded with this URL. Confirm the upload, or begin another."
    )


class AnyAccept(BaseContentNegotiation):
    """Objects have the type they have, whatever the client would prefer."""

    def select_parser(self, request: Request, parsers: Any) -> None:
        """Select no parser, because bodies are streamed."""

    def select_renderer(self, request: Request, renderers: Any, format_suffix: Any = None) -> Any:
        """Select JSON, for problem documents."""
        return renderers[0], renderers[0].media_type


class SignedObjectView(APIView):
    """Serve one object. The signature of the URL is the only permission that is needed."""

    authentication_classes = ()
    permission_classes = ()
    throttle_classes = ()
    content_negotiation_class = AnyAccept

    @staticmethod
    def body_limit(method: str, query: str, key: str) -> int:
        """Return how many bytes the URL allows to send; 0 unless it is valid."""
        try:
            grant = _get_storage().urls.verify(method, key, query)
        except Problem:
            return 0
        return _get_body_limit(grant) if method == "PUT" else 0

    @extend_schema(exclude=True)
    def put(self, request: Request, key: str) -> HttpResponse:
        """Store the body, if a row expects the key both before and after the body was received."""
        storage = _get_storage()
        grant = storage.urls.verify("PUT", key, request.META["QUERY_STRING"])
        with lock_expected_upload(grant.key) as max_bytes:
            length = _get_checked_length(request, grant, max_bytes)
        try:
            _receive_body(storage, grant, _read_chunks(request, length))
        except ObjectMissingError as exc:
            raise NotFoundProblem(Resource.FILE) from exc
        except ObjectExistsError as exc:
            raise AlreadyUploadedProblem from exc
        except OSError as exc:
            reason = errno.errorcode.get(exc.errno or 0, type(exc).__name__)
            logger.warning("an object was not stored: %s", reason)
            raise UnavailableProblem from exc
        return HttpResponse(status=200)

    @extend_schema(exclude=True)
    def get(self, request: Request, key: str) -> HttpResponseBase:
        """Send the object or the requested range; for HEAD, send only the headers."""
        storage = _get_storage()
        grant = storage.urls.verify("GET", key, request.META["QUERY_STRING"])
        try:
            info = storage.head(grant.key)
            file = storage.open_object(grant.key)
        except ObjectMissingError as exc:
            raise NotFoundProblem(Resource.FILE) from exc
        try:
            part = parse_range(request.headers.get("Range", ""), info.size_bytes)
        except NotSatisfiableError:
            file.close()
            return problem_response(
                416,
                "range_not_satisfiable",
                "The range begins after the end of the object.",
                headers={"Content-Range": f"bytes */{info.size_bytes}"},
            )
        full_range = ByteRange(0, info.size_bytes - 1)
        response = _build_response(request, file, part or full_range)
        if part is not None:
            response.status_code = 206
            response["Content-Range"] = f"bytes {part.start}-{part.end}/{info.size_bytes}"
        return _set_headers(response, content_type=info.content_type, filename=grant.filename)


def _get_storage() -> SignedFileSystemStorage:
    storage = storages["default"]
    if not isinstance(storage, SignedFileSystemStorage):
        raise NotFoundProblem(Resource.ADDRESS)
    return storage


def _receive_body(storage: SignedFileSystemStorage, grant: Grant, body: Iterator[bytes]) -> None:
    # The lock is held while the object is stored. Whoever deletes the row deletes the object after
    # it, so the object cannot be left behind.
    def guard() -> AbstractContextManager[int]:
        return lock_expected_upload(grant.key)

    if grant.upload_id is not None and grant.part_number is not None:
        storage.receive_part(grant.upload_id, grant.part_number, body, guard=guard)
        return
    content_type = grant.content_type or UNKNOWN_CONTENT_TYPE
    storage.receive(grant.key, body, content_type=content_type, once=grant.once, guard=guard)


def _get_checked_length(request: Request, grant: Grant, max_bytes: int) -> int:
    # The URL of a part signs no type: the type was set when the upload began.
    if grant.upload_id is None and request.headers.get("Content-Type") != grant.content_type:
        raise ContentTypeMismatchProblem
    declared = request.headers.get("Content-Length", "")
    if not declared.isdecimal():
        raise LengthRequiredProblem
    length = int(declared)
    if length > min(_get_body_limit(grant), max_bytes):
        raise FileTooLargeProblem
    if grant.size_bytes is not None and length < grant.size_bytes:
        raise SizeMismatchProblem
    return length


def _get_body_limit(grant: Grant) -> int:
    limit: int = settings.MAX_UPLOAD_BYTES
    return limit if grant.size_bytes is None else min(limit, grant.size_bytes)


def _read_chunks(request: Request, length: int) -> Iterator[bytes]:
    # Read the server's stream: Django's `body` would hold the whole file in memory.
    stream = request._request
    remaining = length
    while remaining > 0:
        chunk = stream.read(min(CHUNK_BYTES, remaining))
        if not chunk:
            raise BodyIncompleteProblem
        remaining -= len(chunk)
        yield chunk


class FilePart:
    """An iterator over a range of an open file, in chunks; the response closes the file."""

    def __init__(self, file: BinaryIO, part: ByteRange) -> None:
        self.file = file
        self.part = part

    def __iter__(self) -> Iterator[bytes]:
        self.file.seek(self.part.start)
        remaining = self.part.length
        while remaining > 0 and (chunk := self.file.read(min(CHUNK_BYTES, remaining))):
            remaining -= len(chunk)
            yield chunk

    def close(self) -> None:
        self.file.close()


def _build_response(request: Request, file: BinaryIO, part: ByteRange) -> HttpResponseBase:
    response: HttpResponseBase
    if request.method == "HEAD":
        file.close()
        response = HttpResponse()
    else:
        response = StreamingHttpResponse(FilePart(file, part))
    response["Content-Length"] = str(part.length)
    return response


def _set_headers(
    response: HttpResponseBase, *, content_type: str, filename: str | None
) -> HttpResponseBase:
    # Users' files must never run as a page of our origin, whatever they contain.
    response["Content-Type"] = content_type if content_type in SERVED else UNKNOWN_CONTENT_TYPE
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response["Content-Disposition"] = build_content_disposition(filename)
    response["Accept-Ranges"] = "bytes"
    response["Cache-Control"] = "private"
    return response
