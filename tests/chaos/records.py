"""A reader of the streams through a fault, as docs/streams.md asks one to be.

It remembers where it is in each stream and each user's last number there, and drops what is not
newer: what it then has must be what the log says, in the same order.
"""

import contextlib
import json
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Mapping
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import fastavro
import redis

from tests.chaos.stack import ChaosStack

HEADER_BYTES = 10
"""Of Avro's single-object encoding."""
AGAIN_SECONDS = 0.3
CATCH_UP_SECONDS = 45.0
"""The longest backoff of a publisher, a lease's end, and some more."""
LOG = "SELECT seq, type, data->>'type' FROM user_events WHERE user_id = %s ORDER BY seq"
STREAM_OF = {
    "job.requested": "jobs.requested",
    "job.completed": "jobs.completed",
    "job.failed": "jobs.failed",
    "job.cancelled": "jobs.failed",
}


class RecordReader:
    """Follows every stream for one user."""

    def __init__(self, stack: ChaosStack, user_id: str) -> None:
        self._stack = stack
        self._user_id = user_id
        self._schemas = schemas_of(stack)
        self._taken: defaultdict[str, list[int]] = defaultdict(list)
        self._stop = threading.Event()
        self._records = stack.records(self._schemas)

    def start(self) -> None:
        threading.Thread(target=self._follow, name="records", daemon=True).start()

    def stop(self) -> None:
        self._stop.set()

    def _follow(self) -> None:
        while not self._stop.is_set():
            with contextlib.suppress(redis.RedisError):
                while not self._stop.is_set():
                    self._read()
            self._stop.wait(AGAIN_SECONDS)
        self._records.close()

    def _read(self) -> None:
        for stream, key, value in self._records.read():
            if key == self._user_id:
                taken_of(value, self._schemas[stream], self._taken[stream])

    def complaints(self) -> list[str]:
        """Streams that have not told what the log says, in its order."""
        expected = self._expected()
        end = time.monotonic() + CATCH_UP_SECONDS
        while time.monotonic() < end and differences(self._known(expected), expected):
            time.sleep(AGAIN_SECONDS)
        return differences(self._known(expected), expected)

    def _known(self, expected: Mapping[str, list[int]]) -> Mapping[str, list[int]]:
        """Return what was read, without what a restore has taken from the log since."""
        if not self._stack.lost:
            return self._taken
        return {
            stream: [seq for seq in self._taken[stream] if seq in seqs]
            for stream, seqs in expected.items()
        }

    def _expected(self) -> dict[str, list[int]]:
        streams: defaultdict[str, list[int]] = defaultdict(list)
        with self._stack.database() as database:
            for seq, event, job_type in database.execute(LOG, [self._user_id]):
                streams["analytics.events"].append(seq)
                if event == "job.started":
                    streams[f"jobs.{job_type.replace('_', '-')}"].append(seq)
                elif event in STREAM_OF:
                    streams[STREAM_OF[event]].append(seq)
        return dict(streams)


@cache
def schemas_of(stack: ChaosStack) -> dict[str, Any]:
    """By stream, as whoever reads them without us has them."""
    with tempfile.TemporaryDirectory() as folder:
        stack.manage("export_schemas", folder)
        return {
            path.stem: fastavro.parse_schema(json.loads(path.read_text()), named_schemas={})
            for path in Path(folder).glob("*.avsc")
        }


def taken_of(record: bytes, schema: Any, taken: list[int]) -> None:
    """Take a record by its number, unless one as new was taken before."""
    value: Any = fastavro.schemaless_reader(BytesIO(record[HEADER_BYTES:]), schema, None)
    seq = value.get("seq")
    if seq is not None and (not taken or seq > taken[-1]):
        taken.append(seq)


def differences(taken: Mapping[str, list[int]], expected: Mapping[str, list[int]]) -> list[str]:
    """Of what was read from what there is to read."""
    return [
        f"{stream}: {taken.get(stream, [])} instead of {seqs}"
        for stream, seqs in expected.items()
        if taken.get(stream, []) != seqs
    ]
