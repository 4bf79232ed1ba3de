"""Secrets of users that we must be able to read again, encrypted in the database.

The keys are derived from ``SECRET_KEY`` and its fallbacks, one for each purpose.
"""

import base64
import hashlib
import hmac

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings

from gpu_tasks.runtime.errors import AuteurError


class UnreadableSecretError(AuteurError):
    """It was encrypted with a key that we do not have any more."""


def encrypt(secret: bytes, *, purpose: str) -> bytes:
    """To be stored; longer by about a half."""
    return _fernet(purpose).encrypt(secret)


def decrypt(stored: bytes | memoryview, *, purpose: str) -> bytes:
    """What `encrypt` was given; raises ``UnreadableSecretError``."""
    try:
        return _fernet(purpose).decrypt(bytes(stored))
    except InvalidToken as exc:
        raise UnreadableSecretError from exc


def _fernet(purpose: str) -> MultiFernet:
    keys = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    return MultiFernet([Fernet(_derived(key, purpose)) for key in keys])


def _derived(key: str, purpose: str) -> bytes:
    # The secret key is long and random: a keyed hash is derivation enough.
    digest = hmac.digest(key.encode(), f"auteur.encryption:{purpose}".encode(), hashlib.sha256)
    return base64.urlsafe_b64encode(digest)
