"""Records as bytes without a registry: Avro's single-object encoding, and what is refused."""

import json
from collections.abc import Iterator
from io import BytesIO

import fastavro
import pytest
from avro.io import BinaryDecoder, DatumReader
from avro.schema import parse
from hypothesis import given
from hypothesis import strategies as st

from jobs.integrations.streams import schemas
from jobs.integrations.streams.encoding import (
    MAX_RECORD_BYTES,
    UnreadableRecordError,
    create_encoder,
    decode,
)
from tests.jobs.integrations.streams.records import WITH_PUBLISHED_SCHEMA, failed

ENCODED = create_encoder()(failed())
MARK, FINGERPRINT = b"\xc3\x01", ENCODED[2:10]


def test_a_record_comes_back_with_its_defaults() -> None:
    record = failed(seq=7)
    added = {"processing_time_ms": None, "credits_cost": 0, "project_id": None}
    assert decode(create_encoder()(record)) == record.value | added


def test_apaches_reader_understands_what_follows_the_fingerprint() -> None:
    record = failed()
    encoded = create_encoder()(record)
    schema = parse(json.dumps(schemas.build_complete_schema("jobs.failed")))
    assert encoded[:10] == MARK + schema.fingerprint("CRC-64-AVRO")
    read = DatumReader(schema).read(BinaryDecoder(BytesIO(encoded[10:])))
    assert read.items() >= record.value.items()


def test_the_same_record_is_the_same_bytes() -> None:
    record = failed()
    assert create_encoder()(record) == create_encoder()(record)


@pytest.mark.parametrize("stream", WITH_PUBLISHED_SCHEMA)
def test_what_the_last_release_wrote_is_read_as_todays(stream: str) -> None:
    released = schemas.read_folder(schemas.RELEASED)[stream]
    value = {
        field["name"]: {"string": "x", "long": 5, "int": 5, "boolean": True}.get(
            field["type"] if isinstance(field["type"], str) else "", "RENDER"
        )
        for field in released["fields"]
    }
    body = BytesIO()
    fastavro.schemaless_writer(body, schemas.parse(released), value)
    encoded = MARK + schemas.compute_fingerprint(released) + body.getvalue()
    assert decode(encoded).items() >= (value | {"seq": 0, "project_id": None}).items()


@pytest.mark.parametrize(
    ("encoded", "why"),
    [
        (b"", "not Avro"),
        (b"{}", "not Avro"),
        (json.dumps(failed().value).encode(), "not Avro"),
        (b"Obj\x01" + ENCODED, "not Avro"),
        (MARK, "No schema of this release"),
        (MARK + b"\x01" * 8 + ENCODED[10:], "No schema of this release"),
        (b"\x00\x00\x00\x00\x01" + ENCODED[10:], "set SCHEMA_REGISTRY_URL"),
        (ENCODED[:-1], "does not match its schema"),
        (ENCODED + b"\x00", "further bytes after the record"),
        (b"\x00" * 10 * 1024**2, "more than 1048576 bytes"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_record_is_refused_with_the_reason(encoded: bytes, why: str) -> None:
    with pytest.raises(UnreadableRecordError, match=why):
        decode(encoded)


def test_the_largest_record_is_read_and_one_byte_more_is_not() -> None:
    encode = create_encoder()
    spare = MAX_RECORD_BYTES - len(encode(failed(error_message="")))
    message = "x" * (spare - 2)  # the length of a long text takes three bytes, not one
    encoded = encode(failed(error_message=message))
    assert len(encoded) == MAX_RECORD_BYTES
    assert decode(encoded)["error_message"] == message
    with pytest.raises(UnreadableRecordError, match="more than"):
        decode(encode(failed(error_message=message + "x")))


def beginnings() -> Iterator[bytes]:
    yield b""
    for stream in ("jobs.failed", "jobs.completed", "jobs.compression", "analytics.events"):
        yield MARK + schemas.compute_fingerprint(schemas.build_complete_schema(stream))


@given(st.sampled_from(list(beginnings())), st.binary(max_size=200))
def test_whatever_the_bytes_are_they_are_read_or_refused(beginning: bytes, rest: bytes) -> None:
    try:
        value = decode(beginning + rest)
    except UnreadableRecordError:
        return
    assert "user_id" in value
