"""Records as bytes: Avro, told apart by Confluent's registry or by the schema's fingerprint."""

from collections.abc import Callable
from typing import Any

from gpu_tasks.runtime.errors import AuteurError
from jobs.streams.records import Record

MAX_RECORD_BYTES = 1024**2
"""Greatest encoded record that is read or written; Kafka's own default."""


class RegistryError(AuteurError):
    """The registry does not answer, or refuses a schema: wait, and encode again."""


class UnreadableRecordError(AuteurError):
    """These bytes are no record of ours; the message says why."""


def encoder() -> Callable[[Record], bytes]:
    """What encodes records, by the settings; keep it, it remembers the schemas' ids.

    What it returns raises ``RegistryError``; nothing is lost where the caller waits and goes on
    with the same record.
    """
    raise NotImplementedError


def decode(encoded: bytes) -> dict[str, Any]:
    """A record's value; raises ``UnreadableRecordError`` and ``RegistryError``."""
    raise NotImplementedError
