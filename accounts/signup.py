"""Sign-up: the first valid token of a person creates their user and credit account."""

from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.db import IntegrityError, transaction

from accounts.bearers import find_user
from accounts.models import User
from accounts.tokens import LEEWAY_SECONDS, Claims, InvalidTokenProblem
from auteur.core.api.problems import Problem
from auteur.core.database import execute, read_statements
from credits import ledger

_STATEMENTS = read_statements(Path(__file__).with_name("queries.sql"))

MAX_EMAIL_CHARS = 255
"""The length of ``users.email``."""
GUESTS = "@guest.invalid"
"""The domain of guests' placeholder addresses, which cannot receive mail (RFC 2606)."""


class EmailRequiredProblem(Problem):
    """The token has no usable email address, which every user needs."""

    status_code = 403
    default_code = "email_required"
    default_detail = "The access token has no usable email address. Sign in with one."


class EmailInUseProblem(Problem):
    """Another user has the email address, perhaps by another way to sign in."""

    status_code = 409
    default_code = "email_in_use"
    default_detail = (
        "Another user has this email address. Sign in as that user, or use another address."
    )


class AccountInactiveProblem(InvalidTokenProblem):
    """The token is valid, but its user was deactivated or erased."""

    default_code = "account_inactive"
    default_detail = "This account is no longer active. Contact support."


class AccountDeletedProblem(Problem):
    """The user closed the account, and it was erased. This sign-in cannot have another."""

    status_code = 403
    default_code = "account_deleted"
    default_detail = (
        "This account was closed by its user and erased. Sign up again to create another."
    )


PROBLEMS = (
    EmailRequiredProblem,
    EmailInUseProblem,
    AccountInactiveProblem,
    AccountDeletedProblem,
)
"""The problems with which a valid token can be refused."""


def get_or_create_user(claims: Claims) -> User:
    """Return the active user that a valid token names, created or updated if necessary.

    Costs one indexed query and no write, except for a first token or a changed address. Raises
    ``EmailRequiredProblem``, ``EmailInUseProblem``, ``AccountInactiveProblem`` and
    ``AccountDeletedProblem``.
    """
    email = _get_email(claims)
    user = find_user(claims.user_id)
    if user is None:
        user = sign_up(user_id=claims.user_id, email=email)
    if not user.is_active:
        raise AccountDeletedProblem if user.closing_at else AccountInactiveProblem
    if user.email != email and _is_later(claims, user):
        _change_email(user=user, email=email)
    return user


def clean_email(email: str | None) -> str:
    """Return the address in the form in which all addresses are stored and compared.

    Raises ``EmailRequiredProblem``, also for an address with the domain of guests.
    """
    address = (email or "").strip().lower()
    if "@" not in address or len(address) > MAX_EMAIL_CHARS or not address.isprintable():
        raise EmailRequiredProblem
    if address.endswith(GUESTS):
        raise EmailRequiredProblem
    return address


def _get_email(claims: Claims) -> str:
    return f"{claims.user_id}{GUESTS}" if claims.is_anonymous else clean_email(claims.email)


def sign_up(*, user_id: UUID, email: str) -> User:
    """Create the user, the credit account and the welcome credits, once.

    Of concurrent calls with one id, one creates the user and the others return it, because the
    database blocks their inserts until the first has committed. Raises ``EmailInUseProblem``.
    """
    values = {"id": user_id, "email": email, "password": make_password(None)}
    with transaction.atomic():
        if execute(_STATEMENTS["insert_user"], values):
            ledger.open_account(user_id=user_id)
            if not email.endswith(GUESTS):
                _grant_welcome_credits(user_id)
    user = User.objects.filter(pk=user_id).first()
    if user is None:
        raise EmailInUseProblem
    return user


def _grant_welcome_credits(user_id: UUID) -> None:
    """Grant the welcome credits. Guests get none, because one person can be many guests."""
    if settings.SIGNUP_CREDITS > 0:
        ledger.grant(user_id=user_id, amount=settings.SIGNUP_CREDITS, description="Welcome")


def _is_later(claims: Claims, user: User) -> bool:
    """Return True if the token is newer than the row, so that its address counts.

    An old token must not restore an old address, nor turn a signed-in user back into a guest.
    """
    if claims.is_anonymous:
        return False
    return claims.issued_at + LEEWAY_SECONDS >= user.updated_at.timestamp()


def _change_email(*, user: User, email: str) -> None:
    values = {"id": user.pk, "former": user.email, "email": email}
    try:
        with transaction.atomic():
            is_changed = bool(execute(_STATEMENTS["change_email"], values))
            if is_changed and user.email.endswith(GUESTS):  # The guest has signed in.
                _grant_welcome_credits(user.pk)
    except IntegrityError as exc:  # A concurrent request took the address.
        raise EmailInUseProblem from exc
    if not is_changed and User.objects.filter(email=email).exclude(pk=user.pk).exists():
        raise EmailInUseProblem
    user.email = email
