"""The secrets by which receivers know that it was us (Standard Webhooks)."""

import base64
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime

from standardwebhooks import Webhook

from auteur import encryption

PREFIX = "whsec_"
SECRET_BYTES = 32
PURPOSE = "webhooks"

Stored = bytes | memoryview


def new_secret() -> bytes:
    """As it is stored."""
    return encryption.encrypt(secrets.token_bytes(SECRET_BYTES), purpose=PURPOSE)


def shown(stored: Stored) -> str:
    """As its owner gets it; raises ``UnreadableSecretError``."""
    plain = encryption.decrypt(stored, purpose=PURPOSE)
    return PREFIX + base64.b64encode(plain).decode()


def signature(*, stored: Sequence[Stored], message_id: str, at: datetime, body: str) -> str:
    """Of each secret, for the header `webhook-signature`; raises ``UnreadableSecretError``."""
    return " ".join(
        Webhook(encryption.decrypt(one, purpose=PURPOSE)).sign(message_id, at.astimezone(UTC), body)
        for one in stored
    )
