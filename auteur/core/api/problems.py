"""Problem documents (RFC 9457) with a stable ``code``, for every error of the API."""

import logging
from collections.abc import Iterator
from enum import StrEnum
from http import HTTPStatus
from itertools import islice
from typing import Any, ClassVar

import pymongo.errors
import redis.exceptions
from botocore.exceptions import BotoCoreError, ClientError
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.views import defaults
from rest_framework import exceptions
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response

from auteur.core import ids
from auteur.core.api.browsers import is_page
from gpu_tasks.runtime.errors import AuteurError

logger = logging.getLogger(__name__)

CONTENT_TYPE = "application/problem+json"
TYPES = "/problems#"
"""The prefix of a code's address on the page of `auteur.core.api.problem_pages`."""

MAX_ERRORS = 50
"""The most errors in one document. A client that sends thousands of bad values has one mistake."""
MAX_FIELD_LENGTH = 200
MAX_DETAIL_LENGTH = 500
"""Fields and details may repeat what the client sent, which can be as long as a body."""

DATABASE_OUTAGES: tuple[type[Exception], ...] = (OperationalError, InterfaceError)
OUTAGES: tuple[type[Exception], ...] = (
    *DATABASE_OUTAGES,
    pymongo.errors.ConnectionFailure,
    pymongo.errors.ExecutionTimeout,
    redis.exceptions.ConnectionError,
    redis.exceptions.TimeoutError,
    BotoCoreError,
    ClientError,
)
"""Errors that our stores raise during an outage. The client gets 503."""


class Problem(AuteurError, exceptions.APIException):  # noqa: N818  # RFC 9457's word
    """An error that is answered with a problem document.

    Subclasses set status, code and detail. ``extra`` becomes additional members of the document.
    """

    status_code: int = 400
    default_code = "bad_request"
    default_detail = "The request cannot be carried out."
    headers: ClassVar[dict[str, str]] = {}

    def __init__(self, detail: str | None = None, **extra: Any) -> None:
        super().__init__(detail or self.default_detail)
        self.extra = extra


class Resource(StrEnum):
    """The kind of a missing object, for the ``resource`` of a `not_found` problem."""

    ADDRESS = "address"
    API_KEY = "api_key"
    ATTEMPT = "attempt"
    AUTO_TOP_UP = "auto_top_up"
    CONSENT = "consent"
    CORRECTION = "correction"
    EXPORT = "export"
    FEATURE = "feature"
    FILE = "file"
    JOB = "job"
    MEDIA_FILE = "media_file"
    PROJECT = "project"
    SEGMENT = "segment"
    VOICE = "voice"
    WEBHOOK_DELIVERY = "webhook_delivery"
    WEBHOOK_ENDPOINT = "webhook_endpoint"

    @property
    def words(self) -> str:
        return self.value.replace("_", " ").replace("api", "API")


NOT_FOUND = {
    Resource.ADDRESS: "Not found: there is no such address. /docs lists all of them.",
    Resource.AUTO_TOP_UP: "Not found: automatic top-up has not been set up.",
    Resource.EXPORT: "Not found: this account has no export.",
    Resource.FILE: "Not found: this link leads to no file, or the file has been deleted.",
    Resource.SEGMENT: "Not found: the transcript has no segment with this id.",
}
"""The details for resources that are not looked up by an id in the user's account."""


class NotFoundProblem(Problem):
    """The ``resource`` does not exist, or belongs to another user: the answer is the same."""

    status_code = 404
    default_code = "not_found"
    default_detail = "Not found: no such object in your account."

    def __init__(
        self,
        resource: Resource,
        detail: str | None = None,
        *,
        where: str = "your account",
        field: str | None = None,
        **extra: Any,
    ) -> None:
        if detail is None:
            detail = NOT_FOUND.get(
                resource, f"Not found: no {resource.words} with this id in {where}."
            )
        if field is not None:
            error = {"field": field, "code": self.default_code, "detail": detail}
            extra["errors"] = [error]
        super().__init__(detail, resource=resource.value, **extra)


class UnavailableProblem(Problem):
    """A store that we depend on does not answer."""

    status_code = 503
    default_code = "unavailable"
    default_detail = "A service that we depend on is unavailable. Try again shortly."
    headers: ClassVar[dict[str, str]] = {"Retry-After": "5"}


class PayloadTooLargeProblem(Problem):
    """The request body is larger than the view accepts."""

    status_code = 413
    default_code = "payload_too_large"
    default_detail = "The request body is too large. Send a smaller one."


class _Document(Response):
    """A response that is JSON even if the view's own responses are HTML or YAML."""

    @property
    def rendered_content(self) -> str:
        self["Content-Type"] = CONTENT_TYPE
        return JSONRenderer().render(self.data).decode()


def field_problem(field: str, code: str, detail: str) -> exceptions.ValidationError:
    """Return the 400 error for one field that only domain code can check."""
    return exceptions.ValidationError({field: [exceptions.ErrorDetail(detail, code=code)]})


def problem_response(
    status: int, code: str, detail: str, headers: dict[str, str] | None = None, **extra: Any
) -> JsonResponse:
    """Return a problem document as a plain Django response."""
    body = {**_build_head(status, code), "detail": detail, **extra}
    return JsonResponse(body, status=status, content_type=CONTENT_TYPE, headers=headers)


def exception_handler(exc: Exception, context: dict[str, Any]) -> HttpResponseBase | None:
    """Convert an exception of a view to a problem document. Return None for unknown ones (500)."""
    api_exception = _as_api_exception(exc)
    if api_exception is None:
        return None
    view = context.get("view")
    headers = dict(getattr(api_exception, "headers", {}))
    if api_exception.status_code == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = getattr(api_exception, "auth_header", None) or "Bearer"
    if (wait := getattr(api_exception, "wait", None)) is not None:
        headers["Retry-After"] = str(max(1, round(wait)))
    if isinstance(api_exception, exceptions.MethodNotAllowed) and view is not None:
        headers["Allow"] = ", ".join(view.allowed_methods)
    response = _Document(
        status=api_exception.status_code, headers=headers, content_type=CONTENT_TYPE
    )
    response.data = _build_body(api_exception)
    return response


def _as_api_exception(exc: Exception) -> exceptions.APIException | None:
    if isinstance(exc, exceptions.APIException):
        return exc
    if isinstance(exc, Http404):
        return NotFoundProblem(Resource.ADDRESS)
    if isinstance(exc, PermissionDenied):
        return exceptions.PermissionDenied()
    if isinstance(exc, RequestDataTooBig):
        return PayloadTooLargeProblem()
    if isinstance(exc, SuspiciousOperation):
        return exceptions.ParseError()
    if isinstance(exc, OUTAGES):
        logger.error("a store is away: %s", type(exc).__name__)
        return UnavailableProblem()
    return None


def _build_head(status: int, code: str) -> dict[str, Any]:
    title = HTTPStatus(status).phrase
    return {"type": f"{TYPES}{code}", "title": title, "status": status, "code": code}


def _build_body(exc: exceptions.APIException) -> dict[str, Any]:
    status = exc.status_code
    if isinstance(exc, exceptions.ValidationError):
        errors = list(islice(_flatten_errors(exc.detail), MAX_ERRORS))
        return _build_head(status, "invalid") | {
            "detail": " ".join(f"{e['field']}: {e['detail']}" for e in errors),
            "errors": errors,
        }
    codes = exc.get_codes()
    code = codes if isinstance(codes, str) else exc.default_code
    return _build_head(status, code) | {
        "detail": str(exc.detail)[:MAX_DETAIL_LENGTH],
        **getattr(exc, "extra", {}),
    }


def _flatten_errors(detail: Any, field: str = "") -> Iterator[dict[str, str]]:
    if isinstance(detail, dict):
        for name, inner in detail.items():
            key = "" if name == "non_field_errors" else str(name)
            yield from _flatten_errors(inner, ".".join(part for part in (field, key) if part))
    elif isinstance(detail, list):
        for index, inner in enumerate(detail):
            nested = f"{field}.{index}" if isinstance(inner, dict | list) else field
            yield from _flatten_errors(inner, nested)
    else:
        text = str(detail)[:MAX_DETAIL_LENGTH]
        yield {"field": field[:MAX_FIELD_LENGTH] or "body", "code": detail.code, "detail": text}


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Return Django's 400 for requests that reach no view."""
    return problem_response(400, "bad_request", "The request is malformed.")


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Return Django's 403: a page for staff, a document for clients."""
    if is_page(request):
        return defaults.permission_denied(request, exception)
    return problem_response(403, "permission_denied", "You are not allowed to do this.")


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Return Django's 404: a page for staff, a document for clients."""
    if is_page(request):
        return defaults.page_not_found(request, exception)
    detail = NOT_FOUND[Resource.ADDRESS]
    if request.path.endswith("/"):
        detail = f"{detail} Addresses do not end with a slash."
    return problem_response(404, "not_found", detail, resource=Resource.ADDRESS.value)


def server_error(request: HttpRequest) -> HttpResponse:
    """Return the 500 without a traceback: a page for staff, a document for clients."""
    if is_page(request):
        return defaults.server_error(request)
    extra: dict[str, Any] = {**ids.request_id()}
    return problem_response(
        500,
        "internal_error",
        "Something went wrong on our side. Try again, and quote the request_id if it persists.",
        **extra,
    )
