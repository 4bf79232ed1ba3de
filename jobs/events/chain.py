"""Compute the hashes that chain a user's events."""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

ZERO_HASH = bytes(32)


def format_timestamp(moment: datetime) -> str:
    """Return the moment as events carry it: UTC, in microseconds, with a Z."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def compute_hash(
    previous: bytes, *, seq: int, type: str, timestamp: str, data: Mapping[str, Any]
) -> bytes:
    """Return the hash (32 bytes) of an event that follows one with the hash ``previous``."""
    content = [previous.hex(), seq, type, timestamp, data]
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).digest()
