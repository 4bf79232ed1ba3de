"""The admin's login, which wrong passwords close for a while."""

import hashlib
from typing import Any

from django.conf import settings
from django.contrib.admin.forms import AdminAuthenticationForm
from django.core.exceptions import ValidationError
from rest_framework.throttling import BaseThrottle

from auteur.api import throttling


class StaffLogin(AdminAuthenticationForm):
    """Counts failures by address and by account: many addresses may try one, and one many."""

    def clean(self) -> dict[str, Any]:
        """Sign in; a right password is refused too while there have been too many wrong ones."""
        limit, names = settings.LOGIN_RATE_LIMIT, self._names()
        if not all(throttling.failures_left(limit, name) for name in names):
            raise ValidationError(
                "There were too many wrong passwords. Try again later.", code="throttled"
            )
        try:
            return super().clean()
        except ValidationError:
            for name in names:
                throttling.count_failure(limit, name)
            raise

    def _names(self) -> tuple[str, str]:
        account = str(self.cleaned_data.get("username", "")).casefold()
        address = BaseThrottle().get_ident(self.request)  # type: ignore[arg-type]
        return f"login:address:{address}", f"login:{hashlib.sha256(account.encode()).hexdigest()}"
