"""The record of sign-ins, refusals and second factors: a row, and a line of the log."""

import logging
from typing import Any
from uuid import UUID

from django.http import HttpRequest

from accounts.staff.models import EventKind, StaffEvent
from auteur.api.requests import client_address

logger = logging.getLogger(__name__)

MAX_ADDRESS, MAX_PATH = 64, 200
"""Characters that are kept."""
FAILURES = (
    EventKind.SIGN_IN_FAILED,
    EventKind.VERIFICATION_FAILED,
    EventKind.IDENTITY_FAILED,
    EventKind.REFUSED,
)


def record_event(
    kind: EventKind, *, user_id: UUID | Any | None, request: HttpRequest | None = None
) -> None:
    """Keep that this happened; without a request, by a command on the machine itself."""
    StaffEvent.objects.create(
        kind=kind,
        user_id=user_id,
        address=recorded_address(request) if request else "",
        path=request.path[:MAX_PATH] if request and kind is EventKind.REFUSED else "",
    )
    level = logging.WARNING if kind in FAILURES else logging.INFO
    logger.log(level, "staff %s: user %s", kind.value, user_id or "unknown")


def recorded_address(request: HttpRequest) -> str:
    """Where a request comes from, as it is kept."""
    return client_address(request)[:MAX_ADDRESS]
