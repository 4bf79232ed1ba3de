"""Ids of new rows: UUIDs of version 7 (RFC 9562), which rise with time (docs/decisions/0046).

So rows that are created together lie together in the indexes of ids. Nothing may rely on that
order, because clocks differ and ids of one millisecond have no order. Nothing may rely on an id
being secret, either.
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
"""The SQL expression: a UUID of version 4 with its first 12 digits and its version replaced."""


def new_id() -> uuid.UUID:
    """Return a UUID with the time in milliseconds and 74 random bits."""
    high, low = divmod(secrets.randbits(RANDOM_BITS), 1 << _LOW_BITS)
    milliseconds = time.time_ns() // 1_000_000
    return uuid.UUID(int=milliseconds << 80 | 0x7 << 76 | high << 64 | 0b10 << 62 | low)


class NewId(Func):
    """A new id as a column's default in the database."""

    template = NEW_ID
    output_field = UUIDField()
