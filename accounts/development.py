"""Signing in on one's own machine: an address is enough. `settings.py` refuses it elsewhere."""

import uuid
from datetime import timedelta

from django.db import transaction

from accounts import signup, tokens
from accounts.models import User
from credits import ledger

LIFETIME = timedelta(hours=12)
CREDITS = 100
"""What a new user has to try things with, beside ``SIGNUP_CREDITS``."""


def sign_in(email: str) -> str:
    """An access token of the user with this address, who is made if need be.

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
