"""Create webhook secrets, and sign deliveries with them (Standard Webhooks)."""

import base64
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime

from standardwebhooks import Webhook

from auteur.core import encryption

PREFIX = "whsec_"
SECRET_BYTES = 32
PURPOSE = "webhooks"

Stored = bytes | memoryview


def create_secret() -> bytes:
    """Return a new secret, encrypted for storage."""
    return encryption.encrypt(secrets.token_bytes(SECRET_BYTES), purpose=PURPOSE)


def reveal_secret(stored: Stored) -> str:
    """Return the secret as its owner sees it. Raise ``UnreadableSecretError``."""
    plain = encryption.decrypt(stored, purpose=PURPOSE)
    return PREFIX + base64.b64encode(plain).decode()


def compute_signature(*, stored: Sequence[Stored], message_id: str, at: datetime, body: str) -> str:
    """Return the `webhook-signature` header: one signature for each stored secret.

    Raises ``UnreadableSecretError``.
    """
    return " ".join(
        Webhook(encryption.decrypt(secret, purpose=PURPOSE)).sign(
            message_id, at.astimezone(UTC), body
        )
        for secret in stored
    )
