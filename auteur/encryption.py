"""Secrets of users that we must be able to read again, encrypted in the database.

The keys are derived from ``SECRET_KEY`` and its fallbacks, one for each purpose. The first of them
encrypts; before a fallback goes, `reencrypt` encrypts anew what it still had to read.
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
"""Rows that `reencrypt` holds at once."""


class UnreadableSecretError(AuteurError):
    """It was encrypted with a key that we do not have any more."""


@dataclass(frozen=True)
class Column:
    """Where encrypted values are: ``model`` is like ``jobs.WebhookEndpoint``."""

    model: str
    name: str
    purpose: str


@dataclass(frozen=True)
class ReencryptionCounts:
    """How many values were encrypted anew, and how many none of our keys can read."""

    renewed: int
    unreadable: int


_columns: set[Column] = set()


def encrypt(secret: bytes, *, purpose: str) -> bytes:
    """To be stored, in a column that is registered; longer by about a half."""
    return _fernet(purpose).encrypt(secret)


def decrypt(stored: bytes | memoryview, *, purpose: str) -> bytes:
    """What `encrypt` was given; raises ``UnreadableSecretError``."""
    try:
        return _fernet(purpose).decrypt(bytes(stored))
    except InvalidToken as exc:
        raise UnreadableSecretError from exc


def register_columns(model: str, *names: str, purpose: str) -> None:
    """Say which columns of a model hold encrypted values; when Django is ready."""
    _columns.update(Column(model, name, purpose) for name in names)


def list_columns() -> list[Column]:
    """All that are registered."""
    return sorted(_columns, key=lambda column: (column.model, column.name))


def reencrypt() -> ReencryptionCounts:
    """Encrypt with the first key what another has encrypted, in all registered columns.

    Beside a running application: what is written meanwhile stays.
    """
    outcomes = [
        _renewed(column, pk, bytes(stored))
        for column in list_columns()
        for pk, stored in _values(column)
    ]
    return ReencryptionCounts(renewed=outcomes.count(True), unreadable=outcomes.count(None))


def _values(column: Column) -> Iterator[tuple[Any, bytes]]:
    query = apps.get_model(column.model)._base_manager.filter(**{f"{column.name}__isnull": False})
    query = query.order_by("pk").values_list("pk", column.name)
    page = list(query[:PAGE])
    while page:
        yield from page
        page = list(query.filter(pk__gt=page[-1][0])[:PAGE])


def _renewed(column: Column, pk: Any, stored: bytes) -> bool | None:
    """Whether it had to be; ``None`` where it cannot."""
    if _is_readable(_first(column.purpose), stored):
        return False
    try:
        anew = _fernet(column.purpose).rotate(stored)
    except InvalidToken:
        return None
    rows = apps.get_model(column.model)._base_manager.filter(pk=pk, **{column.name: stored})
    return bool(rows.update(**{column.name: anew}))


def _is_readable(key: Fernet, stored: bytes) -> bool:
    try:
        key.decrypt(stored)
    except InvalidToken:
        return False
    return True


def _first(purpose: str) -> Fernet:
    return Fernet(_derived(settings.SECRET_KEY, purpose))


def _fernet(purpose: str) -> MultiFernet:
    older = [Fernet(_derived(key, purpose)) for key in settings.SECRET_KEY_FALLBACKS]
    return MultiFernet([_first(purpose), *older])


def _derived(key: str, purpose: str) -> bytes:
    # The secret key is long and random: a keyed hash is derivation enough.
    digest = hmac.digest(key.encode(), f"auteur.encryption:{purpose}".encode(), hashlib.sha256)
    return base64.urlsafe_b64encode(digest)
