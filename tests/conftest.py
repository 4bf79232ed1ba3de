"""Fixtures that all tests share: people with tokens and credits, their media and jobs."""

import gc
import math
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import jwt
import pytest
from django.conf import settings
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.db import transaction
from rest_framework.test import APIClient

from accounts.api_keys import keys
from accounts.models import User
from auteur.core.api.scopes import Scope
from auteur.core.work import liveness
from auteur.devstack import ports
from credits import ledger
from credits.models import Credits
from jobs import submission
from jobs.features.registry import get_feature
from jobs.models import Job
from media.models import MediaFile, MediaStatus, MediaType
from tests.contract import ContractClient
from tests.journeys.stack import JourneyStack

DEAR = 60
"""Credits of a compression in the stack that is shared: a new user has enough for one."""
PBKDF2PasswordHasher.iterations = 1000  # a thousandth of what keeps a stolen password safe


def pytest_collection_finish() -> None:
    """Let no garbage collection look again at all that the tests have imported."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def long_watch() -> Iterator[None]:
    """Let this process declare silent workers dead, as one that has watched the database long."""
    with liveness.watch_database() as watch:
        watch._since, watch._last = -math.inf, math.inf
        yield


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
        api = ContractClient()
        api.credentials(HTTP_AUTHORIZATION=f"Bearer {bearer(user.pk, user.email)}")
        return api

    return client


@pytest.fixture
def api(client_of: Callable[[User], APIClient], user: User) -> APIClient:
    """The API as ``user`` sees it."""
    return client_of(user)


@pytest.fixture
def make_key(user: User) -> Callable[..., keys.NewKey]:
    """Make an API key of a user: ``make_key(Scope.READ, caps={"credits_per_day": 5})``."""

    def make(*scopes: Scope, owner: User = user, **fields: Any) -> keys.NewKey:
        return keys.create_key(user_id=owner.pk, name="Script", scopes=scopes or [*Scope], **fields)

    return make


def by_key(key: keys.NewKey | str) -> APIClient:
    """The API as a program with this key sees it."""
    api = ContractClient()
    bearer = key if isinstance(key, str) else key.key
    api.credentials(HTTP_AUTHORIZATION=f"Bearer {bearer}")
    return api


@pytest.fixture
def make_media(user: User) -> Callable[..., MediaFile]:
    """A confirmed recording of a user; its object need not exist."""

    def make(owner: User = user, **fields: Any) -> MediaFile:
        key = f"users/{owner.pk}/media/{uuid.uuid4()}/talk.wav"
        defaults: dict[str, Any] = {
            "name": "talk.wav",
            "type": MediaType.AUDIO,
            "status": MediaStatus.READY,
            "mime_type": "audio/wav",
            "duration_ms": 30_000,
            "r2_key": key,
            "r2_url": f"http://storage/{key}",
            "metadata": {"has_audio": True},
        }
        return MediaFile.objects.create(user=owner, **(defaults | fields))

    return make


@pytest.fixture
def make_job(user: User, make_media: Callable[..., MediaFile]) -> Callable[..., Job]:
    """A pending transcription of ``minutes`` of speech."""

    def make(owner: User = user, minutes: int = 2) -> Job:
        media = make_media(owner, duration_ms=minutes * 60_000)
        feature = get_feature("transcription")
        parameters = submission.validate(
            feature=feature, user_id=owner.pk, data={"media_id": str(media.pk)}
        )
        made = submission.submit(
            feature=feature, user_id=owner.pk, plan=None, parameters=parameters
        )
        return Job.objects.get(pk=made.job_id)

    return make


@pytest.fixture(scope="session")
def page_port() -> int:
    """Where pages of another origin are served."""
    (port,) = ports.find_free_ports(1)
    return port


@pytest.fixture(scope="session")
def shared_stack(page_port: int) -> Iterator[JourneyStack]:
    """For clients, studio and guides, which are all tried by one worker (`tests.scheduling`)."""
    from tests.journeys.conftest import started

    settings = {
        "CORS_ALLOWED_ORIGINS": f"http://127.0.0.1:{page_port}",
        "FEATURE_PRICES": f"compression.credits={DEAR}",
    }
    with started(settings) as running:
        yield running
