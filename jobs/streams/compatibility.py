"""Whether today's schemas read what older ones wrote: BACKWARD, as registries call it.

For development alone, as Apache's `avro` is; it knows the rules, fastavro writes and reads.
"""

import json
from pathlib import Path

import avro.schema
from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType

from jobs.streams import schemas
from jobs.streams.names import STREAMS


def find_incompatibilities(released: Path) -> list[str]:
    """What of the last release's records could not be read any more, and why."""
    found = []
    for stream, written in schemas.read_folder(released).items():
        if stream not in STREAMS:
            found.append(f"{stream}: the stream is gone")
        elif complaint := _complaint(read=schemas.whole_schema(stream), written=written):
            found.append(f"{stream}: {complaint}")
    return found


def _complaint(*, read: schemas.Schema, written: schemas.Schema) -> str:
    reader, writer = (avro.schema.parse(json.dumps(schema)) for schema in (read, written))
    result = ReaderWriterCompatibilityChecker().get_compatibility(reader=reader, writer=writer)
    if result.compatibility is SchemaCompatibilityType.compatible:
        return ""
    kinds = ", ".join(sorted({kind.value for kind in result.incompatibilities}))
    places, reasons = (
        ", ".join(sorted(result.locations - {"/"})),
        "; ".join(sorted(result.messages)),
    )
    return f"{kinds} at {places}: {reasons}"
