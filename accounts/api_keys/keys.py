"""API keys: made, changed, revoked, and recognised in a request.

A key is 256 random bits after a prefix that may be shown. Of such a secret a plain SHA-256 tells
nothing, and finds its row by one look into an index: nothing that is slow or keyed would add to it.
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
from auteur.api.problems import NotFoundProblem, Problem, Resource
from auteur.api.requests import KeyAuth
from auteur.api.scopes import Scope
from auteur.database import execute, execute_first, statements
from credits import spending

BRAND = "auteur_"
"""With this begins every key, so that scanners for secrets find one in the wrong place."""
PREFIX_BYTES = 4
SECRET_BYTES = 32
MAX_KEYS = 100
"""Of one user, with those that were revoked within ``COUNTED``."""
COUNTED = timedelta(days=30)
NOTED_FOR = timedelta(minutes=1)
"""A use is written down no more often."""

_STATEMENTS = statements(Path(__file__).with_name("queries.sql"), user=bearers.SELECTED)


class TooManyKeysProblem(Problem):
    """One must be revoked, and some time pass, before another comes."""

    status_code = 409
    default_code = "too_many_api_keys"
    default_detail = "You have reached the limit of API keys. Revoked keys count for a while."


class KeyRevokedProblem(Problem):
    """What was revoked stays so."""

    status_code = 409
    default_code = "api_key_revoked"
    default_detail = "This key has been revoked. Create a new one."


@dataclass(frozen=True)
class NewKey:
    """A key, when its secret is told."""

    row: ApiKey
    key: str


def list_keys(user_id: UUID) -> QuerySet[ApiKey]:
    """All of a user's keys."""
    return ApiKey.objects.filter(user_id=user_id)


def get_key(*, user_id: UUID, key_id: UUID) -> ApiKey:
    """The user's key; raises ``NotFoundProblem``."""
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
    """A new key; raises ``TooManyKeysProblem``."""
    # Whoever makes another meanwhile waits here.
    User.objects.select_for_update(no_key=True).get(pk=user_id)
    counted = Q(revoked_at=None) | Q(revoked_at__gt=Now() - COUNTED)
    if list_keys(user_id).filter(counted).count() >= MAX_KEYS:
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
def update_key(*, user_id: UUID, key_id: UUID, given: Mapping[str, Any]) -> ApiKey:
    """Change what is given; raises ``NotFoundProblem``, ``KeyRevokedProblem``."""
    key = get_key(user_id=user_id, key_id=key_id)
    if key.revoked_at is not None:
        raise KeyRevokedProblem
    values = dict(given)
    spending.set_caps(api_key_id=key.pk, caps=values.pop("caps", {}))
    if values:
        ApiKey.objects.filter(pk=key.pk).update(**values)
        key.refresh_from_db()
    return key


def revoke_key(*, user_id: UUID, key_id: UUID) -> None:
    """The next request that brings the key is refused; raises ``NotFoundProblem``."""
    key = get_key(user_id=user_id, key_id=key_id)
    ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=Now())


# --- In a request -----------------------------------------------------------------------------


def is_api_key(bearer: bytes) -> bool:
    """Whether a bearer wants to be an API key: no token of the provider begins so."""
    return bearer.startswith(BRAND.encode())


def hash_key(key: bytes) -> bytes:
    """By which a key is found."""
    return hashlib.sha256(key).digest()


def verify_key(digest: bytes, *, address: str) -> tuple[User, KeyAuth]:
    """Whose key it is and what it may do, if it is good and may come from there.

    Raises ``InvalidTokenProblem``, whatever is wrong with the key, and ``AccountInactiveProblem``.
    """
    rows = execute_first(_STATEMENTS["find"], {"digest": digest, "noted_for": NOTED_FOR})
    if not rows:
        raise InvalidTokenProblem
    key_id, name, scopes, networks, expires_at, is_to_be_noted, *selected = rows[0]
    if networks and not is_in_networks(address, networks):
        raise InvalidTokenProblem
    user = bearers.user_from_row(selected)
    if not user.is_active:
        raise AccountInactiveProblem
    if is_to_be_noted:
        execute(_STATEMENTS["note_use"], {"id": key_id, "noted_for": NOTED_FOR})
    return user, KeyAuth(key_id, frozenset(scopes), expires_at, name)


def list_valid_keys(key_ids: Iterable[UUID], *, scope: Scope) -> set[UUID]:
    """Those of the keys that may still do this."""
    unexpired = Q(expires_at=None) | Q(expires_at__gt=Now())
    keys = ApiKey.objects.filter(
        unexpired, pk__in=list(key_ids), revoked_at=None, scopes__contains=[scope]
    )
    return set(keys.values_list("pk", flat=True))


def is_in_networks(address: str, networks: Iterable[str]) -> bool:
    """Whether an address is of one of the networks; IPv4 within IPv6 counts as IPv4."""
    try:
        known = ip_address(address)
    except ValueError:
        return False
    if isinstance(known, IPv6Address) and known.ipv4_mapped is not None:
        known = known.ipv4_mapped
    return any(known in ip_network(network) for network in networks)
