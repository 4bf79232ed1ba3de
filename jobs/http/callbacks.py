"""Accept callbacks of GPU functions, if they were just now signed with their attempt's key."""

import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, TypeVar
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST
from pydantic import ValidationError

from auteur.core.api import problems
from gpu_tasks.runtime.callback import (
    ATTEMPT_HEADER,
    SIGNATURE_HEADER,
    TIMESTAMP_HEADER,
    Callback,
    OutputGrant,
    OutputRequest,
    derive_attempt_key,
    is_authentic,
)
from jobs import lifecycle
from jobs.features.files import list_writes
from jobs.features.registry import get_feature
from media.storage import object_storage

URL_SECONDS = 300
"""A grant is used at once. It only has to outlive the setup of a slow connection."""

Message = TypeVar("Message", Callback, OutputRequest)


class NotPromisedProblem(problems.Problem):
    """Raised if a call requests an output that its attempt does not have, or of another type."""

    status_code = HTTPStatus.UNPROCESSABLE_ENTITY
    default_code = "output_not_promised"
    default_detail = "The attempt has no output with this name and type."


@csrf_exempt
@require_POST
def gpu_callback(request: HttpRequest) -> HttpResponse:
    """Accept `POST /internal/gpu-callback`: 200, 401 unsigned, 404 unknown, 409 superseded.

    This is a plain view, because the overhead of DRF matters at hundreds of reports a second.
    """
    return _handle_message(request, Callback, _store_report)


@csrf_exempt
@require_POST
def gpu_output(request: HttpRequest) -> HttpResponse:
    """Return a URL for an output: `POST /internal/gpu-callback/outputs`; 413, 422 if refused."""
    return _handle_message(request, OutputRequest, _grant_output)


def _handle_message(
    request: HttpRequest, contract: type[Message], act: Callable[[Message], dict[str, Any]]
) -> HttpResponse:
    attempt_id = _authenticate_attempt(request)
    if attempt_id is None:
        return problems.problem_response(
            401, "invalid_signature", "The callback is not signed with a key of ours."
        )
    try:
        message = contract.model_validate_json(request.body)
    except ValidationError:
        return problems.problem_response(
            400, "invalid", "The callback does not match the contract."
        )
    if message.attempt_id != attempt_id:
        return problems.problem_response(
            401, "invalid_signature", "The callback is signed with the key of another attempt."
        )
    try:
        return JsonResponse(act(message))
    except problems.Problem as exc:
        return problems.problem_response(exc.status_code, str(exc.get_codes()), str(exc.detail))
    except problems.OUTAGES:
        return problems.problem_response(
            503, "unavailable", problems.UnavailableProblem.default_detail
        )


def _authenticate_attempt(request: HttpRequest) -> UUID | None:
    """Return the attempt whose key signed the body, which is not parsed before."""
    try:
        attempt_id = UUID(request.headers.get(ATTEMPT_HEADER, ""))
    except ValueError:
        return None
    is_signed = any(
        is_authentic(
            key=derive_attempt_key(secret=secret, attempt_id=attempt_id),
            timestamp=request.headers.get(TIMESTAMP_HEADER, ""),
            body=request.body,
            signature=request.headers.get(SIGNATURE_HEADER, ""),
            now=time.time(),
        )
        for secret in (settings.GPU_CALLBACK_SECRET, *settings.GPU_CALLBACK_SECRET_FALLBACKS)
    )
    return attempt_id if is_signed else None


def _store_report(callback: Callback) -> dict[str, Any]:
    if callback.outcome is not None:
        lifecycle.report_outcome(
            attempt_id=callback.attempt_id, call_id=callback.call_id, outcome=callback.outcome
        )
    else:
        lifecycle.report_progress(
            attempt_id=callback.attempt_id,
            call_id=callback.call_id,
            progress=callback.progress,
            stage=callback.stage,
        )
    return {}


def _grant_output(request: OutputRequest) -> dict[str, Any]:
    """Return a URL for one output, of exactly this size and type, to be written once.

    Another request gets another URL for the same object. Raises ``NotFoundProblem`` and
    ``SupersededProblem`` for an attempt that is not (or no longer) current, ``NotPromisedProblem``,
    and ``PayloadTooLargeProblem``.
    """
    attempt = lifecycle.writing_attempt(attempt_id=request.attempt_id, call_id=request.call_id)
    types = {write.key: write.content_type for write in list_writes(attempt)}
    if types.get(request.key) != request.content_type:
        raise NotPromisedProblem
    contract = get_feature(attempt.job.type).contract
    if request.size_bytes > min(contract.max_output_bytes, settings.MAX_UPLOAD_BYTES):
        raise problems.PayloadTooLargeProblem
    url = object_storage().presigned_put(
        request.key,
        content_type=request.content_type,
        size_bytes=request.size_bytes,
        once=True,
        expires=URL_SECONDS,
    )
    headers = {"Content-Type": request.content_type, "If-None-Match": "*"}
    return OutputGrant(url=url, headers=headers).model_dump()
