"""The admin's password login, which is limited after too many wrong passwords."""

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
from auteur.core.api import throttling
from auteur.core.api.requests import client_address

logger = logging.getLogger(__name__)

KNOWN_PERIOD = timedelta(days=90)
"""How long an address from which an account was signed in to counts as known."""


class StaffLogin(AdminAuthenticationForm):
    """The login form, which limits failures by address and by account.

    The account has its own limit because many addresses may attack one account. It does not apply
    to addresses from which the account has signed in, so that an attacker cannot lock its owner
    out.
    """

    def clean(self) -> dict[str, Any]:
        """Sign in; after too many failures, refuse right passwords as well."""
        address = client_address(self.request)  # type: ignore[arg-type]
        name = str(self.cleaned_data.get("username", "")).casefold()
        account = f"login:{hashlib.sha256(name.encode()).hexdigest()}"
        known_address = f"{account}:{address}"
        limits = {f"login:address:{address}": settings.LOGIN_RATE_LIMIT}
        if not throttling.is_remembered(known_address):
            limits[account] = settings.LOGIN_ACCOUNT_RATE_LIMIT
        if not all(throttling.can_fail_again(limit, key) for key, limit in limits.items()):
            logger.warning("staff sign-in refused: too many wrong passwords")
            raise ValidationError(
                "There were too many wrong passwords. Try again later.", code="throttled"
            )
        try:
            values = super().clean()
        except ValidationError:
            for key, limit in limits.items():
                throttling.count_failure(limit, key)
            self._record_event(EventKind.SIGN_IN_FAILED, User.objects.filter(email=name).first())
            raise
        user = cast(User | None, self.get_user())
        if user is not None:  # None if a field of the form is empty.
            throttling.remember_key(known_address, int(KNOWN_PERIOD.total_seconds()))
            self._record_event(EventKind.SIGNED_IN, user)
        return values

    def _record_event(self, kind: EventKind, user: User | None) -> None:
        events.record_event(kind, user_id=user and user.pk, request=self.request)
