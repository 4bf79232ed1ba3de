"""Check that today's schemas can read records of the last release (BACKWARD compatibility).

This is for development only, as Apache's `avro` package is. `avro` knows the rules of
compatibility; fastavro writes and reads.
"""

import json
from pathlib import Path

import avro.schema
from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType

from jobs.integrations.streams import schemas
from jobs.integrations.streams.names import STREAMS


def find_incompatibilities(released_folder: Path) -> list[str]:
    """Return a message for each stream of the last release that can no longer be read."""
    messages = []
    for stream, writer_schema in schemas.read_folder(released_folder).items():
        if stream not in STREAMS:
            messages.append(f"{stream}: the stream is gone")
        elif difference := _describe_incompatibility(
            reader_schema=schemas.build_complete_schema(stream), writer_schema=writer_schema
        ):
            messages.append(f"{stream}: {difference}")
    return messages


def _describe_incompatibility(
    *, reader_schema: schemas.Schema, writer_schema: schemas.Schema
) -> str:
    reader, writer = (
        avro.schema.parse(json.dumps(schema)) for schema in (reader_schema, writer_schema)
    )
    result = ReaderWriterCompatibilityChecker().get_compatibility(reader=reader, writer=writer)
    if result.compatibility is SchemaCompatibilityType.compatible:
        return ""
    kinds = ", ".join(sorted({kind.value for kind in result.incompatibilities}))
    locations, reasons = (
        ", ".join(sorted(result.locations - {"/"})),
        "; ".join(sorted(result.messages)),
    )
    return f"{kinds} at {locations}: {reasons}"
