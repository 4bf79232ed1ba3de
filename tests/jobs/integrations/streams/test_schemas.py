"""The streams and their schemas, which only widen, so that old records stay readable."""

import json
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import avro.schema
import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from auteur.devstack.processes import BASE_DIR
from jobs.features.registry import features
from jobs.integrations.streams import compatibility, schemas
from jobs.integrations.streams.names import GENERIC, STREAMS
from tests.jobs.integrations.streams.records import FEATURES, WITH_PUBLISHED_SCHEMA

PLUGINS = {"jobs.noop", "jobs.noop-gpu", "jobs.stills"}


def ours() -> set[str]:
    """Without those that tests bring (tests/plugins)."""
    return set(STREAMS) - PLUGINS


class TestStreams:
    def test_there_are_sixteen(self) -> None:
        around = {"jobs.requested", "jobs.completed", "jobs.failed", "jobs.progress"}
        assert ours() == around | {f"jobs.{slug}" for slug in FEATURES} | {"analytics.events"}
        assert len(ours()) == 16

    def test_retention_and_partitions(self) -> None:
        messages = {
            name: (STREAMS[name].retention.days, STREAMS[name].partitions) for name in ours()
        }
        special = {
            "jobs.completed": (30, 6),
            "jobs.failed": (30, 6),
            "jobs.progress": (1, 3),
            "analytics.events": (90, 6),
        }
        assert messages == dict.fromkeys(ours(), (7, 3)) | special
        assert all(stream.retention >= timedelta(days=1) for stream in STREAMS.values())

    def test_each_of_our_features_has_a_schema_and_a_type(self) -> None:
        symbols = json.loads((GENERIC.parent / "JobType.avsc").read_text())["symbols"]
        assert len(symbols) == 11
        for feature in features().values():
            if (stream := STREAMS[f"jobs.{feature.slug}"]).name not in PLUGINS:
                assert stream.schema.is_file(), stream.schema
                assert stream.schema != GENERIC
                assert feature.name.upper() in symbols

    def test_a_further_feature_is_told_without_one(self) -> None:
        assert STREAMS["jobs.stills"].schema == GENERIC
        assert {"NOOP", "STILLS"} < schemas.list_job_types()


class TestSchemas:
    @pytest.mark.parametrize("stream", WITH_PUBLISHED_SCHEMA)
    def test_released_fields_stand_as_they_were(self, stream: str) -> None:
        released = json.loads((schemas.RELEASED / f"{stream}.avsc").read_text())
        today = schemas.build_complete_schema(stream)
        assert {name: today[name] for name in ("namespace", "type", "name")} == {
            name: released[name] for name in ("namespace", "type", "name")
        }
        for field in released["fields"]:
            [same] = [
                field_entry
                for field_entry in today["fields"]
                if field_entry["name"] == field["name"]
            ]
            assert without_words(same) == without_words(field)

    @pytest.mark.parametrize("stream", sorted(STREAMS))
    def test_each_is_one_for_apaches_avro_with_the_same_fingerprint(self, stream: str) -> None:
        parsed = avro.schema.parse(json.dumps(schemas.build_complete_schema(stream)))
        fingerprint = schemas.compute_fingerprint(schemas.build_complete_schema(stream))
        assert parsed.fingerprint("CRC-64-AVRO") == fingerprint

    @pytest.mark.parametrize("stream", sorted(STREAMS))
    def test_fields_that_are_not_released_have_a_default(self, stream: str) -> None:
        """In streams that the last release wrote, where else old records could not be read."""
        released = schemas.read_folder(schemas.RELEASED).get(stream)
        if released is not None:
            expected = {field["name"] for field in released["fields"]}
            added = [
                field_entry
                for field_entry in schemas.build_complete_schema(stream)["fields"]
                if field_entry["name"] not in expected
            ]
            assert added
            assert all("default" in field for field in added)

    def test_they_are_written_whole_for_readers(self, tmp_path: Path) -> None:
        call_command("export_schemas", str(tmp_path / "new"), stdout=StringIO())
        written = schemas.read_folder(tmp_path / "new")
        assert set(written) == set(STREAMS)
        assert written["jobs.completed"] == schemas.build_complete_schema("jobs.completed")
        avro.schema.parse((tmp_path / "new" / "jobs.failed.avsc").read_text())


def without_words(field: dict[str, Any]) -> dict[str, Any]:
    """A field without its doc, and without the symbols by which an enum may grow."""
    if isinstance(field["type"], dict) and "symbols" in field["type"]:
        field = field | {"type": field["type"] | {"symbols": ["…"], "namespace": "…"}}
    return {name: value for name, value in field.items() if name != "doc"}


class TestCompatibility:
    def test_today_reads_what_the_last_release_wrote(self) -> None:
        out = StringIO()
        call_command("lint_schemas", stdout=out)
        assert "can read the records of the last release" in out.getvalue()

    def test_make_check_asks(self) -> None:
        assert "lint_schemas" in (BASE_DIR / "auteur/devstack/check.py").read_text()

    @pytest.mark.parametrize(
        ("change", "why"),
        [
            (lambda fields: fields.pop("seq"), None),
            (
                lambda fields: fields.pop("error_code"),
                "jobs.failed: reader_field_missing_default_value at /fields/3: error_code",
            ),
            (
                lambda fields: fields["retryable"].update(type="string"),
                "jobs.failed: type_mismatch at /fields/5/type",
            ),
            (
                lambda fields: fields["type"]["type"]["symbols"].append("DUBBING"),
                "jobs.failed: missing_enum_symbols at /fields/2/type/symbols: {'DUBBING'}",
            ),
        ],
        ids=["grown", "field without default", "type", "enum shrunk"],
    )
    def test_a_break_is_named(self, tmp_path: Path, change: Any, why: str | None) -> None:
        """The other way round: the last release had what today's schema lacks."""
        schemas.export_schemas(tmp_path)
        path = tmp_path / "jobs.failed.avsc"
        released = json.loads(path.read_text())
        fields = {field["name"]: field for field in released["fields"]}
        change(fields)
        path.write_text(json.dumps(released | {"fields": list(fields.values())}))
        incompatibilities = compatibility.find_incompatibilities(tmp_path)
        assert (
            [line[: len(why)] for line in incompatibilities] == [why]
            if why
            else incompatibilities == []
        )

    def test_a_stream_that_is_gone_is_named(self, tmp_path: Path) -> None:
        schemas.export_schemas(tmp_path)
        (tmp_path / "jobs.dubbing.avsc").write_text((tmp_path / "jobs.tts.avsc").read_text())
        with pytest.raises(CommandError, match=r"^jobs\.dubbing: the stream is gone$"):
            call_command("lint_schemas", released=tmp_path)
