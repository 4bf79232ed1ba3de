"""Creating, changing, revoking and verifying API keys.

A key is a prefix that may be shown, followed by 256 random bits. A plain SHA-256 of so many random
bits cannot be reversed, and finds its row by one index lookup. A slow or keyed hash would not be
safer.
"""

import hashlib
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address, ip_network
from pathlib import Path
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from accounts import bearers
from accounts.api_keys.models import ApiKey
from accounts.models import User
from accounts.signup import AccountInactiveProblem
from accounts.tokens import InvalidTokenProblem
from auteur.core.api.problems import NotFoundProblem, Problem, Resource
from auteur.core.api.requests import KeyAuth
from auteur.core.api.scopes import Scope
from auteur.core.database import execute, execute_first, read_statements
from credits import spending

BRAND = "auteur_"
"""The start of every key, by which secret scanners recognise a leaked one."""
PREFIX_BYTES = 4
SECRET_BYTES = 32
MAX_KEYS = 100
"""The most keys of a user, including those revoked within ``REVOKED_COUNT_PERIOD``."""
REVOKED_COUNT_PERIOD = timedelta(days=30)
USE_UPDATE_INTERVAL = timedelta(minutes=1)
"""The shortest time between two updates of a key's ``last_used_at``."""

_STATEMENTS = read_statements(Path(__file__).with_name("queries.sql"), user=bearers.USER_COLUMNS)


class TooManyKeysProblem(Problem):
    """The user has the maximum number of API keys. Revoked keys count for 30 days."""

    status_code = 409
    default_code = "too_many_api_keys"
    default_detail = (
        f"You have {MAX_KEYS} API keys, the maximum. Revoke one. A revoked key counts for 30 days."
    )


class KeyRevokedProblem(Problem):
    """The API key was revoked, so it cannot be changed."""

    status_code = 409
    default_code = "api_key_revoked"
    default_detail = "This key has been revoked. Create a new one."


@dataclass(frozen=True)
class NewKey:
    """A new key with its secret, which only the response to its creation contains."""

    row: ApiKey
    key: str


def list_keys(user_id: UUID) -> QuerySet[ApiKey]:
    """Return all keys of a user."""
    return ApiKey.objects.filter(user_id=user_id)


def get_key(*, user_id: UUID, key_id: UUID) -> ApiKey:
    """Return a key of the user; raises ``NotFoundProblem``."""
    key = list_keys(user_id).filter(pk=key_id).first()
    if key is None:
        raise NotFoundProblem(Resource.API_KEY)
    return key


@transaction.atomic
def create_key(
    *,
    user_id: UUID,
    name: str,
    scopes: Sequence[Scope],
    allowed_addresses: Sequence[str] = (),
    expires_at: datetime | None = None,
    caps: Mapping[str, int | None] | None = None,
) -> NewKey:
    """Create a key; raises ``TooManyKeysProblem``."""
    # The lock makes concurrent creations wait, so that the count below is exact.
    User.objects.select_for_update(no_key=True).get(pk=user_id)
    counts = Q(revoked_at=None) | Q(revoked_at__gt=Now() - REVOKED_COUNT_PERIOD)
    if list_keys(user_id).filter(counts).count() >= MAX_KEYS:
        raise TooManyKeysProblem(max_api_keys=MAX_KEYS)
    prefix = f"{BRAND}{secrets.token_hex(PREFIX_BYTES)}"
    key = f"{prefix}_{secrets.token_hex(SECRET_BYTES)}"
    row = ApiKey.objects.create(
        user_id=user_id,
        name=name,
        prefix=prefix,
        digest=hash_key(key.encode()),
        scopes=sorted(set(scopes)),
        allowed_addresses=list(allowed_addresses),
        expires_at=expires_at,
    )
    spending.open_caps(api_key_id=row.pk, caps=caps or {})
    row.refresh_from_db()
    return NewKey(row, key)


@transaction.atomic
def update_key(*, user_id: UUID, key_id: UUID, changes: Mapping[str, Any]) -> ApiKey:
    """Change fields and caps of a key; raises ``NotFoundProblem`` and ``KeyRevokedProblem``."""
    key = get_key(user_id=user_id, key_id=key_id)
    if key.revoked_at is not None:
        raise KeyRevokedProblem
    values = dict(changes)
    spending.set_caps(api_key_id=key.pk, caps=values.pop("caps", {}))
    if values:
        ApiKey.objects.filter(pk=key.pk).update(**values)
        key.refresh_from_db()
    return key


def revoke_key(*, user_id: UUID, key_id: UUID) -> None:
    """Revoke a key, effective with its next request; raises ``NotFoundProblem``."""
    key = get_key(user_id=user_id, key_id=key_id)
    ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=Now())


# --- In a request -----------------------------------------------------------------------------


def is_api_key(bearer: bytes) -> bool:
    """Return True if a bearer has the form of an API key, which no access token has."""
    return bearer.startswith(BRAND.encode())


def hash_key(key: bytes) -> bytes:
    """Return the digest by which a key's row is found."""
    return hashlib.sha256(key).digest()


def verify_key(digest: bytes, *, address: str) -> tuple[User, KeyAuth]:
    """Return the user of a valid key and its permissions, if ``address`` may use it.

    Raises ``InvalidTokenProblem``, whatever is wrong with the key, and ``AccountInactiveProblem``.
    """
    rows = execute_first(_STATEMENTS["find"], {"digest": digest, "interval": USE_UPDATE_INTERVAL})
    if not rows:
        raise InvalidTokenProblem
    key_id, name, scopes, networks, expires_at, needs_use_update, *user_row = rows[0]
    if networks and not is_in_networks(address, networks):
        raise InvalidTokenProblem
    user = bearers.build_user(user_row)
    if not user.is_active:
        raise AccountInactiveProblem
    if needs_use_update:
        execute(_STATEMENTS["note_use"], {"id": key_id, "interval": USE_UPDATE_INTERVAL})
    return user, KeyAuth(key_id, frozenset(scopes), expires_at, name)


def list_valid_keys(key_ids: Iterable[UUID], *, scope: Scope) -> set[UUID]:
    """Return the ids of the keys that are still valid and have the scope."""
    unexpired = Q(expires_at=None) | Q(expires_at__gt=Now())
    keys = ApiKey.objects.filter(
        unexpired, pk__in=list(key_ids), revoked_at=None, scopes__contains=[scope]
    )
    return set(keys.values_list("pk", flat=True))


def is_in_networks(address: str, networks: Iterable[str]) -> bool:
    """Return True if one of the networks contains the address; IPv4-mapped IPv6 counts as IPv4."""
    try:
        ip = ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    return any(ip in ip_network(network) for network in networks)
