"""Encryption of users' secrets in the database that we must be able to read again.

The keys are derived from ``SECRET_KEY`` and its fallbacks, one for each purpose. The first key
encrypts. Before a fallback is removed, `reencrypt` encrypts again what depends on it.
"""

import base64
import hashlib
import hmac
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.apps import apps
from django.conf import settings

from gpu_tasks.runtime.errors import AuteurError

PAGE = 500
"""Rows that `reencrypt` reads at once."""


class UnreadableSecretError(AuteurError):
    """The secret was encrypted with a key that we no longer have."""


@dataclass(frozen=True)
class Column:
    """A column of encrypted values. ``model`` is a label such as ``jobs.WebhookEndpoint``."""

    model: str
    name: str
    purpose: str


@dataclass(frozen=True)
class ReencryptionCounts:
    """How many values were encrypted again, and how many none of our keys can read."""

    renewed: int
    unreadable: int


_columns: set[Column] = set()


def encrypt(secret: bytes, *, purpose: str) -> bytes:
    """Return the encrypted secret, about half as long again, for a registered column."""
    return _get_keys(purpose).encrypt(secret)


def decrypt(stored: bytes | memoryview, *, purpose: str) -> bytes:
    """Return the secret. Raise ``UnreadableSecretError`` if no key of ours can read it."""
    try:
        return _get_keys(purpose).decrypt(bytes(stored))
    except InvalidToken as exc:
        raise UnreadableSecretError from exc


def register_columns(model: str, *names: str, purpose: str) -> None:
    """Register columns with encrypted values. Called when Django is ready."""
    _columns.update(Column(model, name, purpose) for name in names)


def list_columns() -> list[Column]:
    """Return all registered columns."""
    return sorted(_columns, key=lambda column: (column.model, column.name))


def reencrypt() -> ReencryptionCounts:
    """Encrypt with the first key what another key has encrypted, in all registered columns.

    This is safe while the application runs: values written meanwhile are kept.
    """
    outcomes = [
        _reencrypt_value(column, pk, bytes(stored))
        for column in list_columns()
        for pk, stored in _iterate_values(column)
    ]
    return ReencryptionCounts(renewed=outcomes.count(True), unreadable=outcomes.count(None))


def _iterate_values(column: Column) -> Iterator[tuple[Any, bytes]]:
    query = apps.get_model(column.model)._base_manager.filter(**{f"{column.name}__isnull": False})
    query = query.order_by("pk").values_list("pk", column.name)
    page = list(query[:PAGE])
    while page:
        yield from page
        page = list(query.filter(pk__gt=page[-1][0])[:PAGE])


def _reencrypt_value(column: Column, pk: Any, stored: bytes) -> bool | None:
    """Return True if the value was encrypted again, None if no key can read it."""
    if _is_readable(_get_first_key(column.purpose), stored):
        return False
    try:
        reencrypted = _get_keys(column.purpose).rotate(stored)
    except InvalidToken:
        return None
    rows = apps.get_model(column.model)._base_manager.filter(pk=pk, **{column.name: stored})
    return bool(rows.update(**{column.name: reencrypted}))


def _is_readable(key: Fernet, stored: bytes) -> bool:
    try:
        key.decrypt(stored)
    except InvalidToken:
        return False
    return True


def _get_first_key(purpose: str) -> Fernet:
    return Fernet(_derive_key(settings.SECRET_KEY, purpose))


def _get_keys(purpose: str) -> MultiFernet:
    older = [Fernet(_derive_key(key, purpose)) for key in settings.SECRET_KEY_FALLBACKS]
    return MultiFernet([_get_first_key(purpose), *older])


def _derive_key(key: str, purpose: str) -> bytes:
    # The secret key is long and random, so a keyed hash suffices to derive a key from it.
    digest = hmac.digest(key.encode(), f"auteur.core.encryption:{purpose}".encode(), hashlib.sha256)
    return base64.urlsafe_b64encode(digest)
