"""The state of admin sessions: second factor, last proof of identity, and idle timeout.

An unused session ends after ``STAFF_IDLE_MINUTES``, by its own expiry in the database.
"""

import time
from typing import Any, cast

from django.conf import settings
from django.http import HttpRequest

from accounts.models import User
from accounts.staff import second_factor

IDENTITY_AT, SEEN_AT, ENROLLING = "identity_at", "seen_at", "enrolling"
TOUCH_SECONDS = 60
"""The shortest time between two refreshes of a session, so that not every request writes."""


def mark_verified(request: HttpRequest) -> None:
    """Store that the user has just proved their identity, under a new session key."""
    request.session[IDENTITY_AT] = time.time()
    request.session.cycle_key()
    _set_idle_timeout(request)


def refresh_idle_timeout(request: HttpRequest) -> None:
    """Refresh the session's idle timeout."""
    if time.time() - request.session.get(SEEN_AT, 0) >= TOUCH_SECONDS:
        _set_idle_timeout(request)


def _set_idle_timeout(request: HttpRequest) -> None:
    request.session[SEEN_AT] = time.time()
    request.session.set_expiry(settings.STAFF_IDLE_MINUTES * 60)


def is_complete(request: HttpRequest) -> bool:
    """Return True if the session has a second factor, or needs none.

    It needs one if the settings require it of all staff, or if the user has enrolled one.
    """
    user = cast(Any, request.user)
    if user.is_verified():
        return True
    return not settings.STAFF_SECOND_FACTOR and not second_factor.is_enrolled(user)


def is_recently_verified(request: HttpRequest) -> bool:
    """Return True after a recent proof of identity, which money and rights require."""
    verified_at = request.session.get(IDENTITY_AT, 0)
    return bool(time.time() - verified_at < settings.STAFF_IDENTITY_MINUTES * 60)


def get_user(request: HttpRequest) -> User:
    """Return the signed-in user, not the lazy object, whose class differs for forms and keys."""
    return User.objects.get(pk=cast(Any, request.user).pk)
