"""Inspect Redis Streams, and create them before records are written."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from jobs.integrations.streams.names import Stream
from jobs.integrations.streams.sinks.base import (
    Check,
    GroupLag,
    SinkError,
    StoredRecord,
    StreamCreation,
    StreamLength,
    StreamStandings,
)
from jobs.integrations.streams.sinks.redis import (
    POSITION,
    connect,
    get_key,
    list_wrong_keys,
    translate_errors,
)

MAX_LAG_COUNTED = 10_000
"""How far the lag of a group is counted in versions before Redis 7."""
BATCH_SIZE = 100
"""How many records one command reads."""
BLOCK_MS = 2000  # It must be below the timeout of answers.
TEMPORARY_GROUP = "auteur:making"
"""A temporary group. An empty stream can be created only together with a group."""


class RedisAdmin:
    """The stream admin for Redis Streams."""

    def __init__(self) -> None:
        self._client = connect()

    def create(self, streams: Iterable[Stream]) -> list[StreamCreation]:
        """Implement `StreamAdmin.create`. The publisher enforces retention, not Redis."""
        results = []
        with translate_errors():
            for stream in streams:
                key = get_key(stream.name)
                is_missing = not self._client.exists(key)
                if is_missing:
                    self._create_empty_stream(key)
                results.append(StreamCreation(stream.name, created=is_missing))
        return results

    def _create_empty_stream(self, key: str) -> None:
        with self._client.pipeline() as batch:
            batch.xgroup_create(key, TEMPORARY_GROUP, mkstream=True)
            batch.xgroup_destroy(key, TEMPORARY_GROUP)
            batch.execute()

    def check(self, streams: Iterable[Stream]) -> list[Check]:
        """Implement `StreamAdmin.check`."""
        try:
            with translate_errors():
                server = self._client.info()
                position = self._client.get(POSITION)
                names = [stream.name for stream in streams]
                existing_count = self._client.exists(*map(get_key, names))
                wrong_keys = list_wrong_keys(self._client, names)
        except SinkError as exc:
            return [Check("connection", problem=str(exc))]
        stream_count = existing_count - len(wrong_keys)
        return [
            Check("connection", f"Redis {server['redis_version']}, signed in"),
            _check_memory(server),
            Check(
                "streams",
                f"{stream_count} of {len(names)}; others come with their first record",
                f"Not streams, but other values: {', '.join(wrong_keys)}." if wrong_keys else "",
            ),
            Check("position", str(int(position)) if position else "nothing was published yet"),
        ]

    def peek(self, stream: str, count: int) -> list[StoredRecord]:
        """Implement `StreamAdmin.peek`."""
        with translate_errors():
            entries = self._client.xrevrange(get_key(stream), count=count)
        return [_build_stored(stream, *entry) for entry in reversed(entries)]

    def tail(self, streams: Sequence[str]) -> Iterator[StoredRecord]:
        """Implement `StreamAdmin.tail`."""
        with translate_errors():
            last_ids: dict[str, Any] = {get_key(name): self._get_last_id(name) for name in streams}
            while True:
                for key, entries in self._read_new_entries(last_ids):
                    for entry_id, fields in entries:
                        last_ids[key] = entry_id
                        yield _build_stored(key.removeprefix(get_key("")), entry_id, fields)

    def _read_new_entries(self, last_ids: dict[str, Any]) -> list[tuple[str, list[Any]]]:
        answer = self._client.xread(last_ids, count=BATCH_SIZE, block=BLOCK_MS) or []
        pairs = answer.items() if isinstance(answer, Mapping) else answer
        return [(key.decode(), entries) for key, entries in pairs]

    def _get_last_id(self, stream: str) -> bytes | str:
        entries = self._client.xrevrange(get_key(stream), count=1)
        return entries[0][0] if entries else "0-0"

    def standing(self, streams: Iterable[Stream]) -> StreamStandings:
        """Implement `StreamAdmin.standing`."""
        names = [stream.name for stream in streams]
        with translate_errors():
            with self._client.pipeline(transaction=False) as batch:
                for name in names:
                    batch.xlen(get_key(name))
                lengths_by_name = zip(names, batch.execute(), strict=True)
            lengths = tuple(StreamLength(name, length) for name, length in lengths_by_name)
            existing_names = [
                length.stream for length in lengths if self._client.exists(get_key(length.stream))
            ]
            groups = [group for name in existing_names for group in self._list_group_lags(name)]
        return StreamStandings(lengths, tuple(groups))

    def _list_group_lags(self, stream: str) -> Iterator[GroupLag]:
        for group in self._client.xinfo_groups(get_key(stream)):
            lag = group.get("lag")
            if lag is None:
                after = b"(" + group["last-delivered-id"]
                lag = len(self._client.xrange(get_key(stream), after, count=MAX_LAG_COUNTED))
            yield GroupLag(stream, group["name"].decode(), lag, group["pending"])


def _check_memory(server: Mapping[str, Any]) -> Check:
    limit, policy = server.get("maxmemory", 0), server.get("maxmemory_policy", "noeviction")
    detail = f"{server['used_memory']} bytes of {limit or 'no limit'}, {policy}"
    evicts = bool(limit) and not str(policy).startswith(("noeviction", "volatile-"))
    problem = "When Redis is full it deletes streams: set maxmemory-policy to noeviction."
    return Check("memory", detail, problem if evicts else "")


def _build_stored(stream: str, entry_id: bytes, fields: Mapping[bytes, bytes]) -> StoredRecord:
    at = datetime.fromtimestamp(int(entry_id.partition(b"-")[0]) / 1000, UTC)
    key = fields.get(b"key", b"").decode(errors="replace")
    return StoredRecord(stream, entry_id.decode(), key, fields.get(b"value", b""), at)
