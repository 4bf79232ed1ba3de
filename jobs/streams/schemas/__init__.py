"""The Avro schemas of the streams: the files beside this one, made whole."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, cast

from fastavro import parse_schema
from fastavro.schema import fingerprint, to_parsing_canonical_form

from jobs.features.registry import features
from jobs.streams.names import GENERIC, SCHEMAS, STREAMS

Schema = dict[str, Any]
RELEASED = SCHEMAS / "released"
"""Those that the last release wrote with, each whole."""
_JOB_TYPE = "JobType"


@cache
def job_types() -> frozenset[str]:
    """What a job's type is called in records."""
    return frozenset(_job_type()["symbols"])


@cache
def whole_schema(stream: str) -> Schema:
    """The schema of a stream's records as JSON, which needs no other file."""
    schema = _read(STREAMS[stream].schema)
    for field in schema["fields"]:
        field["type"] = _with_job_type(field["type"])
    return schema


@cache
def parsed_schema(stream: str) -> Schema:
    """The schema of a stream's records, as fastavro reads and writes by it."""
    return parse(whole_schema(stream))


def generic_schema() -> Schema:
    """What every feature's stream says; and all of it, where the feature has no schema file."""
    return _read(GENERIC)


def parse(schema: Schema) -> Schema:
    """Any schema for fastavro; raises what `fastavro.parse_schema` does."""
    return cast(Schema, parse_schema(schema, named_schemas={}))


def fingerprint_of(schema: Schema) -> bytes:
    """What tells schemas apart that write differently: CRC-64-AVRO, little-endian, 8 bytes."""
    return bytes.fromhex(fingerprint(to_parsing_canonical_form(schema), "CRC-64-AVRO"))


def export(folder: Path) -> None:
    """Write each stream's schema whole, for readers and for the next release to be compared to."""
    folder.mkdir(parents=True, exist_ok=True)
    for stream in STREAMS:
        text = json.dumps(whole_schema(stream), indent=2, ensure_ascii=False)
        (folder / f"{stream}.avsc").write_text(text + "\n")


def read_folder(folder: Path) -> Mapping[str, Schema]:
    """The schemas that `export` has written, by their streams."""
    return {path.stem: _read(path) for path in sorted(folder.glob("*.avsc"))}


def _read(path: Path) -> Schema:
    schema: Schema = json.loads(path.read_text())
    return schema


@cache
def _job_type() -> Schema:
    """With all features, at the end those that the file does not know: an enum only grows."""
    schema = _read(SCHEMAS / f"{_JOB_TYPE}.avsc")
    declared = (feature.name.upper() for feature in features().values())
    schema["symbols"] += sorted(set(declared) - set(schema["symbols"]))
    return schema


def _with_job_type(type_: Any) -> Any:
    if isinstance(type_, list):
        return [_with_job_type(one) for one in type_]
    return _job_type() if type_ == _JOB_TYPE else type_
