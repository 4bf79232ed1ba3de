"""Records as bytes: Avro, after what says by which schema.

With a registry that is Confluent's format: a zero, and the schema's id in 4 bytes. Without one it
is Avro's own single-object encoding: ``C3 01``, and the schema's fingerprint in 8 bytes.
"""

import json
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from typing import Any

from django.conf import settings
from fastavro import schemaless_reader, schemaless_writer
from fastavro.schema import SchemaParseException, UnknownType

from gpu_tasks.runtime.errors import AuteurError
from jobs.streams import schemas
from jobs.streams.names import STREAMS
from jobs.streams.records import Record
from jobs.streams.registry import Registry, RegistryError, SchemaMissingError

__all__ = ["MAX_RECORD_BYTES", "RegistryError", "UnreadableRecordError", "decode", "encoder"]

MAX_RECORD_BYTES = 1024**2
"""What brokers take unless told otherwise; larger ones are not read."""
_CONFLUENT, _ID_BYTES = b"\x00", 4
_SINGLE_OBJECT, _FINGERPRINT_BYTES = b"\xc3\x01", 8
_NO_SCHEMA = (SchemaParseException, UnknownType, ValueError, TypeError, KeyError, AttributeError)
_NO_RECORD = (EOFError, ValueError, IndexError, TypeError, OverflowError, struct.error)


class UnreadableRecordError(AuteurError):
    """These bytes are no record of ours; the message says why."""


def encoder() -> Callable[[Record], bytes]:
    """What encodes records, by the settings; keep it, it remembers what the registry told.

    What it returns raises ``RegistryError``; nothing is lost where the caller waits and goes on
    with the same record.
    """
    header_of = _registered_header if settings.SCHEMA_REGISTRY_URL else _fingerprint_header
    headers: dict[str, bytes] = {}

    def encode(record: Record) -> bytes:
        if record.stream not in headers:
            headers[record.stream] = header_of(record.stream)
        encoded = BytesIO()
        encoded.write(headers[record.stream])
        schemaless_writer(encoded, schemas.parsed_schema(record.stream), record.value)
        return encoded.getvalue()

    return encode


def _fingerprint_header(stream: str) -> bytes:
    return _SINGLE_OBJECT + schemas.fingerprint_of(schemas.whole_schema(stream))


def _registered_header(stream: str) -> bytes:
    return _CONFLUENT + _registry().id_of(stream).to_bytes(_ID_BYTES, "big")


def _registry() -> Registry:
    return _client(settings.SCHEMA_REGISTRY_URL)


@cache
def _client(url: str) -> Registry:
    return Registry()


# --- Reading ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Known:
    """A schema that this release or the last one writes by, and that by which it is read."""

    written: schemas.Schema
    read: schemas.Schema


@cache
def _known() -> Mapping[bytes, _Known]:
    """By fingerprint."""
    released = {
        schemas.fingerprint_of(schema): _Known(schemas.parse(schema), schemas.parsed_schema(stream))
        for stream, schema in schemas.read_folder(schemas.RELEASED).items()
        if stream in STREAMS
    }
    ours = {
        schemas.fingerprint_of(schemas.whole_schema(stream)): _Known(parsed, parsed)
        for stream in STREAMS
        if (parsed := schemas.parsed_schema(stream))
    }
    return released | ours


def decode(encoded: bytes) -> dict[str, Any]:
    """A record's value; raises ``UnreadableRecordError`` and ``RegistryError``."""
    if len(encoded) > MAX_RECORD_BYTES:
        raise UnreadableRecordError(f"This has more than {MAX_RECORD_BYTES} bytes.")
    stream = BytesIO(encoded)
    known = _schema_at_the_beginning_of(stream)
    try:
        value = schemaless_reader(stream, known.written, known.read)
    except _NO_RECORD as exc:
        raise UnreadableRecordError("This is not a record by its schema.") from exc
    if stream.read(1) or not isinstance(value, dict):
        raise UnreadableRecordError("There is more here than a record.")
    return value


def _schema_at_the_beginning_of(stream: BytesIO) -> _Known:
    beginning = stream.read(1)
    if beginning == _CONFLUENT and len(schema_id := stream.read(_ID_BYTES)) == _ID_BYTES:
        return _of_id(int.from_bytes(schema_id, "big"))
    if beginning + stream.read(1) != _SINGLE_OBJECT:
        raise UnreadableRecordError("This is not Avro, or does not say by which schema.")
    known = _known().get(stream.read(_FINGERPRINT_BYTES))
    if known is None:
        raise UnreadableRecordError("No schema of this release has this fingerprint.")
    return known


def _of_id(schema_id: int) -> _Known:
    if not settings.SCHEMA_REGISTRY_URL:
        raise UnreadableRecordError("Its schema is in a registry: set SCHEMA_REGISTRY_URL.")
    try:
        schema = schemas.parse(json.loads(_registry().schema_of(schema_id)))
        name = str(schema["name"])
        known = _known().get(schemas.fingerprint_of(schema))
    except SchemaMissingError as exc:
        raise UnreadableRecordError(f"The registry has no schema {schema_id}.") from exc
    except _NO_SCHEMA as exc:
        raise UnreadableRecordError(
            f"Schema {schema_id} of the registry is not one of a record."
        ) from exc
    if known is None:
        is_newer = any(name == one.read["name"] for one in _known().values())
        reason = "newer than this release" if is_newer else "none of ours"
        raise UnreadableRecordError(f"Its schema, {name[:100]} ({schema_id}), is {reason}.")
    return known
