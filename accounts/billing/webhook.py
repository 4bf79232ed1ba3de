"""`POST /billing/webhook`: receives events that Stripe has signed recently."""

import logging
from http import HTTPStatus

import pydantic
from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from accounts.billing import client, events, stripe_objects
from auteur.core.api import problems

logger = logging.getLogger(__name__)

HEADER = "Stripe-Signature"
MAX_HEADER_LENGTH = 2000
TOLERANCE_SECONDS = 300
"""The greatest age of a signature."""
MAX_EVENT_BYTES = 512 * 1024


@csrf_exempt
@require_POST
def webhook(request: HttpRequest) -> HttpResponse:
    """Store the event.

    Answer 200 if it is stored, 401 if it is unsigned, 413 if it is too long, and 503 if Stripe
    should send it again.
    """
    try:
        client.check_enabled()
        return _store_signed_event(request)
    except problems.Problem as exc:
        return problems.problem_response(exc.status_code, str(exc.get_codes()), str(exc.detail))
    except problems.OUTAGES as exc:
        logger.warning("an event is not stored: %s", type(exc).__name__)
        return problems.problem_response(
            503, "unavailable", problems.UnavailableProblem.default_detail
        )


def _store_signed_event(request: HttpRequest) -> HttpResponse:
    if int(request.META.get("CONTENT_LENGTH") or 0) > MAX_EVENT_BYTES:
        raise problems.PayloadTooLargeProblem
    if not _is_authentic(request.body, request.headers.get(HEADER, "")):
        return problems.problem_response(
            HTTPStatus.UNAUTHORIZED,
            "invalid_signature",
            "The event has no valid recent signature of Stripe.",
        )
    try:
        event = stripe_objects.Event.model_validate_json(request.body)
    except pydantic.ValidationError:
        return problems.problem_response(400, "invalid", "The body is not a valid event of Stripe.")
    events.store_events([event])
    return JsonResponse({"received": True})


def _is_authentic(body: bytes, header: str) -> bool:
    """Return True if one of our secrets signed the body. During a rotation there are two."""
    if not header.isascii() or len(header) > MAX_HEADER_LENGTH:
        return False
    return any(_is_signed_with(body, header, secret) for secret in settings.STRIPE_WEBHOOK_SECRETS)


def _is_signed_with(body: bytes, header: str, secret: str) -> bool:
    import stripe  # noqa: PLC0415 - only where something is sold

    try:
        return stripe.WebhookSignature.verify_header(body, header, secret, TOLERANCE_SECONDS)
    except (stripe.SignatureVerificationError, UnicodeDecodeError):
        return False
