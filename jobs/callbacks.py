"""What a GPU function tells us: believed only if its attempt's key signed it, just now."""

import time
from collections.abc import Callable
from typing import Any, TypeVar
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST
from pydantic import ValidationError

from auteur.api import problems
from gpu_tasks.runtime.callback import (
    ATTEMPT_HEADER,
    SIGNATURE_HEADER,
    TIMESTAMP_HEADER,
    Callback,
    OutputRequest,
    attempt_key,
    is_authentic,
)
from jobs import lifecycle, outputs

Said = TypeVar("Said", Callback, OutputRequest)


@csrf_exempt
@require_POST
def gpu_callback(request: HttpRequest) -> HttpResponse:
    """`POST /internal/gpu-callback`: 200, 401 unsigned, 404 unknown, 409 no longer wanted.

    A plain view: at hundreds of reports a second, DRF's share would be felt.
    """
    return _answer(request, Callback, _report)


@csrf_exempt
@require_POST
def gpu_output(request: HttpRequest) -> HttpResponse:
    """`POST /internal/gpu-callback/outputs`: where to put an output; 413 and 422 for a refusal."""
    return _answer(request, OutputRequest, lambda said: outputs.place_for(said).model_dump())


def _answer(
    request: HttpRequest, contract: type[Said], act: Callable[[Said], dict[str, Any]]
) -> HttpResponse:
    attempt_id = _signed_by(request)
    if attempt_id is None:
        return problems.document(401, "invalid_signature", "The callback is not signed by us.")
    try:
        said = contract.model_validate_json(request.body)
    except ValidationError:
        return problems.document(400, "invalid", "The callback is not of the contract.")
    if said.attempt_id != attempt_id:
        return problems.document(401, "invalid_signature", "Another attempt has signed this.")
    try:
        return JsonResponse(act(said))
    except problems.Problem as exc:
        return problems.document(exc.status_code, str(exc.get_codes()), str(exc.detail))
    except problems.OUTAGES:
        return problems.document(503, "unavailable", problems.UnavailableProblem.default_detail)


def _signed_by(request: HttpRequest) -> UUID | None:
    """The attempt whose key signed the body; nothing of that is read before."""
    try:
        attempt_id = UUID(request.headers.get(ATTEMPT_HEADER, ""))
    except ValueError:
        return None
    known = is_authentic(
        key=attempt_key(secret=settings.GPU_CALLBACK_SECRET, attempt_id=attempt_id),
        timestamp=request.headers.get(TIMESTAMP_HEADER, ""),
        body=request.body,
        given=request.headers.get(SIGNATURE_HEADER, ""),
        now=time.time(),
    )
    return attempt_id if known else None


def _report(callback: Callback) -> dict[str, Any]:
    if callback.outcome is not None:
        lifecycle.report_outcome(
            attempt_id=callback.attempt_id, call_id=callback.call_id, outcome=callback.outcome
        )
    else:
        lifecycle.report_progress(
            attempt_id=callback.attempt_id,
            call_id=callback.call_id,
            progress=callback.progress,
        )
    return {}
