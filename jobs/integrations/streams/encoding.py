"""Encode records in Avro, and decode them. A header names the schema.

With a registry, the format is Confluent's: a zero byte, and the schema's id in 4 bytes. Without a
registry, it is Avro's single-object encoding: ``C3 01``, and the schema's fingerprint in 8 bytes.
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
from jobs.integrations.streams import schemas
from jobs.integrations.streams.names import STREAMS
from jobs.integrations.streams.records import Record
from jobs.integrations.streams.registry import Registry, RegistryError, SchemaMissingError

__all__ = [
    "MAX_RECORD_BYTES",
    "RegistryError",
    "UnreadableRecordError",
    "create_encoder",
    "decode",
]

MAX_RECORD_BYTES = 1024**2
"""The default limit of brokers. Larger records are not read."""
_CONFLUENT, _ID_BYTES = b"\x00", 4
_SINGLE_OBJECT, _FINGERPRINT_BYTES = b"\xc3\x01", 8
_NO_SCHEMA = (SchemaParseException, UnknownType, ValueError, TypeError, KeyError, AttributeError)
_NO_RECORD = (EOFError, ValueError, IndexError, TypeError, OverflowError, struct.error)


class UnreadableRecordError(AuteurError):
    """Raised if bytes are not one of our records. The message says why."""


def create_encoder() -> Callable[[Record], bytes]:
    """Return a function that encodes records as the settings say.

    Keep it, because it caches the registry's answers. It raises ``RegistryError``; the caller can
    wait and encode the same record again.
    """
    build_header = (
        _build_registry_header if settings.SCHEMA_REGISTRY_URL else _build_fingerprint_header
    )
    headers: dict[str, bytes] = {}

    def encode(record: Record) -> bytes:
        if record.stream not in headers:
            headers[record.stream] = build_header(record.stream)
        encoded = BytesIO()
        encoded.write(headers[record.stream])
        schemaless_writer(encoded, schemas.load_parsed_schema(record.stream), record.value)
        return encoded.getvalue()

    return encode


def _build_fingerprint_header(stream: str) -> bytes:
    return _SINGLE_OBJECT + schemas.compute_fingerprint(schemas.build_complete_schema(stream))


def _build_registry_header(stream: str) -> bytes:
    return _CONFLUENT + _get_registry().id_of(stream).to_bytes(_ID_BYTES, "big")


def _get_registry() -> Registry:
    return _client(settings.SCHEMA_REGISTRY_URL)


@cache
def _client(url: str) -> Registry:
    return Registry()


# --- Reading ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _SchemaPair:
    """A schema that this release or the last one writes with, and the schema to read it with."""

    writer: schemas.Schema
    reader: schemas.Schema


@cache
def _load_known_schemas() -> Mapping[bytes, _SchemaPair]:
    """Return the schemas of this release and the last one, by fingerprint."""
    released_schemas = {
        schemas.compute_fingerprint(schema): _SchemaPair(
            schemas.parse(schema), schemas.load_parsed_schema(stream)
        )
        for stream, schema in schemas.read_folder(schemas.RELEASED).items()
        if stream in STREAMS
    }
    current_schemas = {
        schemas.compute_fingerprint(schemas.build_complete_schema(stream)): _SchemaPair(
            parsed_schema, parsed_schema
        )
        for stream in STREAMS
        if (parsed_schema := schemas.load_parsed_schema(stream))
    }
    return released_schemas | current_schemas


def decode(encoded: bytes) -> dict[str, Any]:
    """Return a record's value. Raise ``UnreadableRecordError`` and ``RegistryError``."""
    if len(encoded) > MAX_RECORD_BYTES:
        raise UnreadableRecordError(f"The record has more than {MAX_RECORD_BYTES} bytes.")
    stream = BytesIO(encoded)
    schema = _read_schema_header(stream)
    try:
        value = schemaless_reader(stream, schema.writer, schema.reader)
    except _NO_RECORD as exc:
        raise UnreadableRecordError("The record does not match its schema.") from exc
    if stream.read(1) or not isinstance(value, dict):
        raise UnreadableRecordError("There are further bytes after the record.")
    return value


def _read_schema_header(stream: BytesIO) -> _SchemaPair:
    first_byte = stream.read(1)
    if first_byte == _CONFLUENT and len(schema_id := stream.read(_ID_BYTES)) == _ID_BYTES:
        return _get_schema_by_id(int.from_bytes(schema_id, "big"))
    if first_byte + stream.read(1) != _SINGLE_OBJECT:
        raise UnreadableRecordError("The record is not Avro, or does not name its schema.")
    schema = _load_known_schemas().get(stream.read(_FINGERPRINT_BYTES))
    if schema is None:
        raise UnreadableRecordError("No schema of this release has this fingerprint.")
    return schema


def _get_schema_by_id(schema_id: int) -> _SchemaPair:
    if not settings.SCHEMA_REGISTRY_URL:
        raise UnreadableRecordError("Its schema is in a registry: set SCHEMA_REGISTRY_URL.")
    try:
        schema = schemas.parse(json.loads(_get_registry().schema_of(schema_id)))
        name = str(schema["name"])
        pair = _load_known_schemas().get(schemas.compute_fingerprint(schema))
    except SchemaMissingError as exc:
        raise UnreadableRecordError(f"The registry has no schema {schema_id}.") from exc
    except _NO_SCHEMA as exc:
        raise UnreadableRecordError(
            f"Schema {schema_id} of the registry is not one of a record."
        ) from exc
    if pair is None:
        is_newer = any(
            name == known_pair.reader["name"] for known_pair in _load_known_schemas().values()
        )
        reason = "newer than this release" if is_newer else "none of ours"
        raise UnreadableRecordError(f"Its schema, {name[:100]} ({schema_id}), is {reason}.")
    return pair
