"""How a token's bearer becomes a user: made with a credit account by the first valid token."""

from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.db import IntegrityError, transaction

from accounts.bearers import find_user
from accounts.models import User
from accounts.tokens import LEEWAY_SECONDS, Claims, InvalidTokenProblem
from auteur.api.problems import Problem
from auteur.database import execute, statements
from credits import ledger

_STATEMENTS = statements(Path(__file__).with_name("queries.sql"))

MAX_EMAIL_CHARS = 255
"""As much as ``users.email`` holds."""
GUESTS = "@guest.invalid"
"""The end of what stands for a guest's address: no mail ever goes there (RFC 2606)."""


class EmailRequiredProblem(Problem):
    """The token carries no address that we can keep: there are no users without one."""

    status_code = 403
    default_code = "email_required"
    default_detail = "The access token carries no usable email address."


class EmailInUseProblem(Problem):
    """Another user holds the address; one person with two sign-ins, or a recycled address."""

    status_code = 409
    default_code = "email_in_use"
    default_detail = "Another user has this email address."


class AccountInactiveProblem(InvalidTokenProblem):
    """The token is valid, but its user has been deactivated or anonymised."""

    default_code = "account_inactive"
    default_detail = "This account is no longer active."


class AccountDeletedProblem(Problem):
    """The user closed the account, and it was forgotten: this sign-in has no other."""

    status_code = 403
    default_code = "account_deleted"
    default_detail = (
        "This account was closed by its user, and is gone. A new sign-up makes another."
    )


PROBLEMS = (
    EmailRequiredProblem,
    EmailInUseProblem,
    AccountInactiveProblem,
    AccountDeletedProblem,
)
"""What the bearer of a valid token may be refused with."""


def get_or_create_user(claims: Claims) -> User:
    """The active user that a valid token names, made or brought up to date if need be.

    One indexed query and no write, but for a first token or a changed address. Raises
    ``EmailRequiredProblem``, ``EmailInUseProblem``, ``AccountInactiveProblem`` and
    ``AccountDeletedProblem``.
    """
    email = _address_of(claims)
    user = find_user(claims.user_id)
    if user is None:
        user = sign_up(user_id=claims.user_id, email=email)
    if not user.is_active:
        raise AccountDeletedProblem if user.closing_at else AccountInactiveProblem
    if user.email != email and _is_later(claims, user):
        _change_email(user=user, email=email)
    return user


def clean_email(email: str | None) -> str:
    """The address in the form in which all are kept and compared.

    Raises ``EmailRequiredProblem``, also for one that would be taken for a guest's.
    """
    cleaned = (email or "").strip().lower()
    if "@" not in cleaned or len(cleaned) > MAX_EMAIL_CHARS or not cleaned.isprintable():
        raise EmailRequiredProblem
    if cleaned.endswith(GUESTS):
        raise EmailRequiredProblem
    return cleaned


def _address_of(claims: Claims) -> str:
    return f"{claims.user_id}{GUESTS}" if claims.is_anonymous else clean_email(claims.email)


def sign_up(*, user_id: UUID, email: str) -> User:
    """Create the user, the credit account and the welcome credits, once.

    Of concurrent calls with one id, one creates the user and the others return it: the database
    holds their inserts until the first has committed. Raises ``EmailInUseProblem``.
    """
    values = {"id": user_id, "email": email, "password": make_password(None)}
    with transaction.atomic():
        if execute(_STATEMENTS["insert_user"], values):
            ledger.open_account(user_id=user_id)
            if not email.endswith(GUESTS):
                _welcome(user_id)
    user = User.objects.filter(pk=user_id).first()
    if user is None:
        raise EmailInUseProblem
    return user


def _welcome(user_id: UUID) -> None:
    """Not for guests: anybody can be as many of them as they like."""
    if settings.SIGNUP_CREDITS > 0:
        ledger.grant(user_id=user_id, amount=settings.SIGNUP_CREDITS, description="Welcome")


def _is_later(claims: Claims, user: User) -> bool:
    """Whether the token is newer than the row: an old one must not bring back an old address.

    Nor make a guest again of somebody who has signed in.
    """
    if claims.is_anonymous:
        return False
    return claims.issued_at + LEEWAY_SECONDS >= user.updated_at.timestamp()


def _change_email(*, user: User, email: str) -> None:
    values = {"id": user.pk, "former": user.email, "email": email}
    try:
        with transaction.atomic():
            is_changed = bool(execute(_STATEMENTS["change_email"], values))
            if is_changed and user.email.endswith(GUESTS):  # they have signed in
                _welcome(user.pk)
    except IntegrityError as exc:  # another took the address at the same moment
        raise EmailInUseProblem from exc
    if not is_changed and User.objects.filter(email=email).exclude(pk=user.pk).exists():
        raise EmailInUseProblem
    user.email = email
