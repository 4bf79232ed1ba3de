"""How far a session of the admin has come: signed in, second factor, who it is; and its end.

A session nobody uses ends after ``STAFF_IDLE_MINUTES``, by its own expiry in the database.
"""

import time
from typing import Any, cast

from django.conf import settings
from django.http import HttpRequest

from accounts.models import User
from accounts.staff import second_factor

IDENTITY_AT, SEEN_AT, ENROLLING = "identity_at", "seen_at", "enrolling"
TOUCH_SECONDS = 60
"""How exactly the time of last use is known: a write for each request would be one too many."""


def mark_verified(request: HttpRequest) -> None:
    """Somebody has just shown who they are."""
    request.session[IDENTITY_AT] = time.time()
    request.session.cycle_key()
    _touch(request)


def refresh_idle_timeout(request: HttpRequest) -> None:
    """Somebody is there."""
    if time.time() - request.session.get(SEEN_AT, 0) >= TOUCH_SECONDS:
        _touch(request)


def _touch(request: HttpRequest) -> None:
    request.session[SEEN_AT] = time.time()
    request.session.set_expiry(settings.STAFF_IDLE_MINUTES * 60)


def is_complete(request: HttpRequest) -> bool:
    """Whether a second factor was given, where one is asked for: of all, and of who has one."""
    user = cast(Any, request.user)
    if user.is_verified():
        return True
    return not settings.STAFF_SECOND_FACTOR and not second_factor.is_enrolled(user)


def is_recently_verified(request: HttpRequest) -> bool:
    """Whether it was shown lately who it is: what money and rights need."""
    shown = request.session.get(IDENTITY_AT, 0)
    return bool(time.time() - shown < settings.STAFF_IDENTITY_MINUTES * 60)


def get_user(request: HttpRequest) -> User:
    """Who is signed in; not the lazy object, which forms and keys take for another class."""
    return User.objects.get(pk=cast(Any, request.user).pk)
