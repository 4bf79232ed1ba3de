"""What a GPU function tells us: believed only if it is signed, fresh and of the contract."""

import time

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST
from pydantic import ValidationError

from auteur.api import problems
from gpu_tasks.callback import SIGNATURE_HEADER, TIMESTAMP_HEADER, Callback, is_authentic
from jobs import lifecycle


@csrf_exempt
@require_POST
def gpu_callback(request: HttpRequest) -> HttpResponse:
    """`POST /internal/gpu-callback`: 200, 401 unsigned, 404 unknown, 409 no longer wanted.

    A plain view: at hundreds of reports a second, DRF's share would be felt.
    """
    body = request.body
    if not is_authentic(
        secret=settings.GPU_CALLBACK_SECRET,
        timestamp=request.headers.get(TIMESTAMP_HEADER, ""),
        body=body,
        given=request.headers.get(SIGNATURE_HEADER, ""),
        now=time.time(),
    ):
        return problems.document(401, "invalid_signature", "The callback is not signed by us.")
    try:
        callback = Callback.model_validate_json(body)
    except ValidationError:
        return problems.document(400, "invalid", "The callback is not of the contract.")
    try:
        _report(callback)
    except problems.Problem as exc:
        return problems.document(exc.status_code, str(exc.get_codes()), str(exc.detail))
    except problems.OUTAGES:
        return problems.document(503, "unavailable", problems.Unavailable.default_detail)
    return JsonResponse({})


def _report(callback: Callback) -> None:
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
