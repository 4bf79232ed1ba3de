"""Recording sign-ins, refusals and second factors, as a row and a log line."""

import logging
from typing import Any
from uuid import UUID

from django.http import HttpRequest

from accounts.staff.models import EventKind, StaffEvent
from auteur.core.api.requests import client_address

logger = logging.getLogger(__name__)

MAX_ADDRESS, MAX_PATH = 64, 200
"""The stored lengths, in characters."""
FAILURES = (
    EventKind.SIGN_IN_FAILED,
    EventKind.VERIFICATION_FAILED,
    EventKind.IDENTITY_FAILED,
    EventKind.REFUSED,
)


def record_event(
    kind: EventKind, *, user_id: UUID | Any | None, request: HttpRequest | None = None
) -> None:
    """Record an event; there is no request if a management command caused it."""
    StaffEvent.objects.create(
        kind=kind,
        user_id=user_id,
        address=get_recorded_address(request) if request else "",
        path=request.path[:MAX_PATH] if request and kind is EventKind.REFUSED else "",
    )
    level = logging.WARNING if kind in FAILURES else logging.INFO
    logger.log(level, "staff %s: user %s", kind.value, user_id or "unknown")


def get_recorded_address(request: HttpRequest) -> str:
    """Return the client's address as it is recorded."""
    return client_address(request)[:MAX_ADDRESS]
