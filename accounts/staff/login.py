"""The admin's login: a password first; too many wrong ones close it for a while."""

import hashlib
import logging
from datetime import timedelta
from typing import Any, cast

from django.conf import settings
from django.contrib.admin.forms import AdminAuthenticationForm
from django.core.exceptions import ValidationError

from accounts.models import User
from accounts.staff import events
from accounts.staff.models import EventKind
from auteur.api import throttling
from auteur.api.requests import client_address

logger = logging.getLogger(__name__)

KNOWN_FOR = timedelta(days=90)
"""How long an address is known from which somebody signed in to an account."""


class StaffLogin(AdminAuthenticationForm):
    """Counts failures by address, and more slowly by account, for many addresses may try one.

    The second does not concern addresses that the account was used from: whoever guesses from
    elsewhere cannot lock its owner out.
    """

    def clean(self) -> dict[str, Any]:
        """Sign in; a right password is refused too while there have been too many wrong ones."""
        address = client_address(self.request)  # type: ignore[arg-type]
        name = str(self.cleaned_data.get("username", "")).casefold()
        account = f"login:{hashlib.sha256(name.encode()).hexdigest()}"
        known = f"{account}:{address}"
        limits = {f"login:address:{address}": settings.LOGIN_RATE_LIMIT}
        if not throttling.is_remembered(known):
            limits[account] = settings.LOGIN_ACCOUNT_RATE_LIMIT
        if not all(throttling.has_failures_left(limit, who) for who, limit in limits.items()):
            logger.warning("staff sign-in refused: too many wrong passwords")
            raise ValidationError(
                "There were too many wrong passwords. Try again later.", code="throttled"
            )
        try:
            cleaned = super().clean()
        except ValidationError:
            for who, limit in limits.items():
                throttling.count_failure(limit, who)
            self._record(EventKind.SIGN_IN_FAILED, User.objects.filter(email=name).first())
            raise
        user = cast(User | None, self.get_user())
        if user is not None:  # else something is missing in the form
            throttling.remember_key(known, int(KNOWN_FOR.total_seconds()))
            self._record(EventKind.SIGNED_IN, user)
        return cleaned

    def _record(self, kind: EventKind, user: User | None) -> None:
        events.record_event(kind, user_id=user and user.pk, request=self.request)
