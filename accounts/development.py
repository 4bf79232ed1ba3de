"""Sign-in by email address alone, for development; `settings.py` refuses it elsewhere."""

import uuid
from datetime import timedelta

from django.db import transaction

from accounts import signup, tokens
from accounts.models import User
from credits import ledger

LIFETIME = timedelta(hours=12)
CREDITS = 100
"""The credits of a new user in development, in addition to ``SIGNUP_CREDITS``."""


def sign_in(email: str) -> str:
    """Return an access token of the user with this address, who is created if there is none.

    Raises ``EmailRequiredProblem`` and ``AccountInactiveProblem``.
    """
    address = signup.clean_email(email)
    user = User.objects.filter(email=address).first()
    if user is None:
        user = signup.sign_up(user_id=uuid.uuid4(), email=address)
        with transaction.atomic():
            ledger.grant(user_id=user.pk, amount=CREDITS, description="To try things with")
    if not user.is_active:
        raise signup.AccountInactiveProblem
    return tokens.issue_token(user_id=user.pk, email=user.email, lifetime=LIFETIME)
