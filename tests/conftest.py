"""Fixtures that all tests share: people with tokens and credits."""

import time
import uuid
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from django.conf import settings
from rest_framework.test import APIClient

from accounts.models import User
from credits.models import Credits


def bearer(user_id: uuid.UUID, email: str | None, **claims: Any) -> str:
    """A token as Supabase would sign it with the shared secret; ``claims`` override."""
    now = int(time.time())
    body = {
        "sub": str(user_id),
        "email": email,
        "aud": settings.SUPABASE_JWT_AUDIENCE,
        "iss": settings.SUPABASE_JWT_ISSUER,
        "iat": now,
        "exp": now + 3600,
        "role": "authenticated",
    }
    body = {name: value for name, value in (body | claims).items() if value is not None}
    return jwt.encode(body, settings.SUPABASE_JWT_SECRET, algorithm="HS256")


@pytest.fixture
def make_user(db: None) -> Callable[..., User]:
    """Make a user with an empty or given balance: ``make_user(balance=10)``."""

    def make(balance: int = 0, **fields: Any) -> User:
        fields.setdefault("email", f"{uuid.uuid4().hex[:12]}@example.com")
        user = User.objects.create(**fields)
        Credits.objects.create(user=user)
        if balance:
            _grant(user, balance)
        return user

    return make


def _grant(user: User, amount: int) -> None:
    from django.db import transaction

    from credits import ledger

    with transaction.atomic():
        ledger.grant(user_id=user.pk, amount=amount, description="For a test")


@pytest.fixture
def user(make_user: Callable[..., User]) -> User:
    """A user with 100 credits."""
    return make_user(balance=100)


@pytest.fixture
def client_of() -> Callable[[User], APIClient]:
    """An API client that carries a user's token."""

    def client(user: User) -> APIClient:
        api = APIClient()
        api.credentials(HTTP_AUTHORIZATION=f"Bearer {bearer(user.pk, user.email)}")
        return api

    return client


@pytest.fixture
def api(client_of: Callable[[User], APIClient], user: User) -> APIClient:
    """The API as ``user`` sees it."""
    return client_of(user)
