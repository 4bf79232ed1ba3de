"""With a registry: Confluent's format, BACKWARD, and nothing lost while it is away."""

import json
from collections.abc import Iterator
from io import BytesIO

import fastavro
import pytest
from django.test import override_settings

from jobs.integrations.streams import encoding, schemas
from jobs.integrations.streams.encoding import (
    RegistryError,
    UnreadableRecordError,
    create_encoder,
    decode,
)
from tests.jobs.integrations.streams.records import failed
from tests.jobs.integrations.streams.registry import LOGIN, Registry, serving

SUBJECT = "jobs.failed-value"


@pytest.fixture
def registry() -> Iterator[Registry]:
    """A registry that is empty, and set."""
    encoding._client.cache_clear()
    with (
        serving(Registry()) as served,
        override_settings(
            SCHEMA_REGISTRY_URL=served.url,
            SCHEMA_REGISTRY_API_KEY=LOGIN[0],
            SCHEMA_REGISTRY_API_SECRET=LOGIN[1],
            SCHEMA_REGISTRY_AUTO_REGISTER=True,
        ),
    ):
        yield served
    encoding._client.cache_clear()


def schema_of_failed(**changes: object) -> str:
    """As it is registered; with ``changes`` as another would be."""
    return json.dumps(schemas.build_complete_schema("jobs.failed") | changes)


class TestWriting:
    def test_a_schema_is_registered_once_as_backward_compatible(self, registry: Registry) -> None:
        registry.add("other-value", '"string"')
        encode = create_encoder()
        first, second = encode(failed(seq=1)), encode(failed(seq=2))
        assert first[:5] == second[:5] == b"\x00\x00\x00\x00\x02"
        assert registry.subjects[SUBJECT] == [2]
        assert registry.compatibility == {SUBJECT: "BACKWARD"}
        assert registry.asked == [
            f"POST /subjects/{SUBJECT}",
            f"PUT /config/{SUBJECT}",
            f"POST /subjects/{SUBJECT}/versions",
        ]

    def test_readers_get_the_record_by_the_id(self, registry: Registry) -> None:
        record = failed()
        encoded = create_encoder()(record)
        schema = json.loads(registry.schemas[int.from_bytes(encoded[1:5], "big") - 1])
        read = fastavro.schemaless_reader(BytesIO(encoded[5:]), schema)
        assert read == decode(encoded)
        assert read.items() >= record.value.items()

    def test_what_stands_there_is_left_as_somebody_set_it(self, registry: Registry) -> None:
        registry.add(SUBJECT, schema_of_failed())
        registry.compatibility[SUBJECT] = "FULL"
        create_encoder()(failed())
        assert registry.compatibility == {SUBJECT: "FULL"}

    @override_settings(SCHEMA_REGISTRY_AUTO_REGISTER=False)
    def test_in_production_somebody_registers_it(self, registry: Registry) -> None:
        encode = create_encoder()
        with pytest.raises(RegistryError, match=r"jobs\.failed-value is not registered"):
            encode(failed())
        assert (registry.subjects, registry.compatibility) == ({}, {})
        registry.add(SUBJECT, schema_of_failed())
        assert encode(failed())[:5] == b"\x00\x00\x00\x00\x01"

    def test_a_schema_that_breaks_readers_is_not_registered(self, registry: Registry) -> None:
        broken = [*schemas.build_complete_schema("jobs.failed")["fields"]]
        broken[0] = broken[0] | {"type": "long"}
        registry.add(SUBJECT, schema_of_failed(fields=broken))
        with pytest.raises(RegistryError, match=r"incompatible \(HTTP 409\)"):
            create_encoder()(failed())
        assert registry.subjects[SUBJECT] == [1]


class TestOutages:
    def test_it_is_away_and_comes_back(self, registry: Registry) -> None:
        encode = create_encoder()
        away = Registry()
        with serving(away):
            pass
        with override_settings(SCHEMA_REGISTRY_URL=away.url):
            record = failed()
            with pytest.raises(RegistryError, match="is away: ConnectError"):
                encode(record)
            with serving(away):
                assert decode(encode(record)).items() >= record.value.items()
            assert encode(record)  # by what it remembers

    @pytest.mark.parametrize(
        ("status", "body", "why"),
        [
            (401, b'{"error_code": 401, "message": "Unauthorized"}', r"Unauthorized \(HTTP 401\)"),
            (503, b"<html>busy</html>", "HTTP 503"),
            (200, b"<html>hello</html>", "not a schema registry"),
            (200, b"[]", "not a schema registry"),
            (200, b"{}", "no id"),
            (200, b'{"id": "1"}', "no id"),
            (200, b'{"id": 4294967296}', "no id"),
            (200, b'{"id": -1}', "no id"),
        ],
    )
    def test_what_it_answers_is_not_believed(
        self, registry: Registry, status: int, body: bytes, why: str
    ) -> None:
        registry.answers_with = status, body
        encode = create_encoder()
        with pytest.raises(RegistryError, match=why) as caught:
            encode(failed())
        assert LOGIN[1] not in str(caught.value)
        registry.answers_with = None
        assert encode(failed())


class TestReading:
    def test_an_id_that_it_has_not(self, registry: Registry) -> None:
        with pytest.raises(UnreadableRecordError, match="The registry has no schema 4294967295"):
            decode(b"\x00\xff\xff\xff\xffrest")

    def test_a_schema_of_somebody_else(self, registry: Registry) -> None:
        other = '{"type": "record", "name": "Invoice", "fields": []}'
        registry.add("invoices-value", other)
        with pytest.raises(UnreadableRecordError, match=r"Invoice \(1\), is none of ours"):
            decode(b"\x00\x00\x00\x00\x01rest")

    def test_a_newer_schema_of_ours(self, registry: Registry) -> None:
        fields = [*schemas.build_complete_schema("jobs.failed")["fields"]]
        fields.append({"name": "hint", "type": "string", "default": ""})
        registry.add(SUBJECT, schema_of_failed(fields=fields))
        with pytest.raises(UnreadableRecordError, match=r"JobFailed \(1\), is newer than this"):
            decode(b"\x00\x00\x00\x00\x01rest")

    def test_one_of_the_last_release(self, registry: Registry) -> None:
        released = schemas.read_folder(schemas.RELEASED)["jobs.failed"]
        registry.add(SUBJECT, json.dumps(released))
        body = BytesIO()
        fastavro.schemaless_writer(body, schemas.parse(released), failed().value)
        assert decode(b"\x00\x00\x00\x00\x01" + body.getvalue())["seq"] == 0

    @pytest.mark.parametrize("schema", ["{", '"string"', '{"type": "record"}', "[]", "7"])
    def test_what_is_no_schema(self, registry: Registry, schema: str) -> None:
        registry.add("odd", schema)
        with pytest.raises(UnreadableRecordError, match="not one of a record"):
            decode(b"\x00\x00\x00\x00\x01rest")

    def test_while_it_is_away(self, registry: Registry) -> None:
        registry.answers_with = 503, b""
        with pytest.raises(RegistryError, match="HTTP 503"):
            decode(b"\x00\x00\x00\x00\x01rest")

    def test_without_one_the_fingerprint_is_enough(self, registry: Registry) -> None:
        with override_settings(SCHEMA_REGISTRY_URL=""):
            encoded = create_encoder()(failed())
        assert decode(encoded)["error_code"] == "GPU_OOM"
        assert registry.asked == []
