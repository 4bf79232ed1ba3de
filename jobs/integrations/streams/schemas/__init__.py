"""Load the Avro schemas of the streams from the files in this folder."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, cast

from fastavro import parse_schema
from fastavro.schema import fingerprint, to_parsing_canonical_form

from jobs.features.registry import features
from jobs.integrations.streams.names import GENERIC, SCHEMAS, STREAMS

Schema = dict[str, Any]
RELEASED = SCHEMAS / "released"
"""The folder with the last release's schemas, each complete."""
_JOB_TYPE = "JobType"


@cache
def list_job_types() -> frozenset[str]:
    """Return the job types that records can name."""
    return frozenset(_load_job_type()["symbols"])


@cache
def build_complete_schema(stream: str) -> Schema:
    """Return the complete schema of a stream's records, as JSON that needs no other file."""
    schema = _read_schema(STREAMS[stream].schema)
    for field in schema["fields"]:
        field["type"] = _expand_job_type(field["type"])
    return schema


@cache
def load_parsed_schema(stream: str) -> Schema:
    """Return the schema of a stream's records, parsed by fastavro."""
    return parse(build_complete_schema(stream))


def get_generic_schema() -> Schema:
    """Return the schema with the fields that all feature streams share.

    A feature without a schema file of its own uses it as it is.
    """
    return _read_schema(GENERIC)


def parse(schema: Schema) -> Schema:
    """Parse a schema for fastavro. Raise the errors of `fastavro.parse_schema`."""
    return cast(Schema, parse_schema(schema, named_schemas={}))


def compute_fingerprint(schema: Schema) -> bytes:
    """Return the fingerprint of a schema: CRC-64-AVRO, little-endian, 8 bytes."""
    return bytes.fromhex(fingerprint(to_parsing_canonical_form(schema), "CRC-64-AVRO"))


def export_schemas(folder: Path) -> None:
    """Write each stream's complete schema, for readers and to compare the next release with."""
    folder.mkdir(parents=True, exist_ok=True)
    for stream in STREAMS:
        text = json.dumps(build_complete_schema(stream), indent=2, ensure_ascii=False)
        (folder / f"{stream}.avsc").write_text(text + "\n")


def read_folder(folder: Path) -> Mapping[str, Schema]:
    """Return the schemas that `export` has written, by stream."""
    return {path.stem: _read_schema(path) for path in sorted(folder.glob("*.avsc"))}


def _read_schema(path: Path) -> Schema:
    schema: Schema = json.loads(path.read_text())
    return schema


@cache
def _load_job_type() -> Schema:
    """Return the enum of job types. Features that the file lacks come last: an enum only grows."""
    schema = _read_schema(SCHEMAS / f"{_JOB_TYPE}.avsc")
    declared = (feature.name.upper() for feature in features().values())
    schema["symbols"] += sorted(set(declared) - set(schema["symbols"]))
    return schema


def _expand_job_type(type_: Any) -> Any:
    if isinstance(type_, list):
        return [_expand_job_type(member) for member in type_]
    return _load_job_type() if type_ == _JOB_TYPE else type_
