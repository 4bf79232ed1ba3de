"""Ids of new rows: UUIDs of version 7 (RFC 9562), which rise with time (docs/decisions/0046).

What is made together then lies together in the indexes of ids. Nothing goes by that order, for
within a millisecond there is none and clocks differ; nothing goes by an id's being secret, either.
"""

import secrets
import time
import uuid

from django.db.models import Func, UUIDField

RANDOM_BITS = 74
_LOW_BITS = 62

NEW_ID = (
    "(lpad(to_hex(floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint), 12, '0') || '7'"
    " || substr(gen_random_uuid()::text, 16))::uuid"
)
"""In SQL: of a UUID of version 4, all but its first 12 digits and its version."""


def new_id() -> uuid.UUID:
    """The time in milliseconds, and 74 random bits."""
    high, low = divmod(secrets.randbits(RANDOM_BITS), 1 << _LOW_BITS)
    milliseconds = time.time_ns() // 1_000_000
    return uuid.UUID(int=milliseconds << 80 | 0x7 << 76 | high << 64 | 0b10 << 62 | low)


class NewId(Func):
    """As a column's default in the database."""

    template = NEW_ID
    output_field = UUIDField()
