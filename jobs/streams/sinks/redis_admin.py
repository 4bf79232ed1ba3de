"""Redis Streams looked at, and made before anything is written to them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from jobs.streams.names import Stream
from jobs.streams.sinks.base import Check, GroupLag, Length, Made, SinkError, Standing, Stored
from jobs.streams.sinks.redis import POSITION, answering, connect, key_of, other_values

MAX_LAG_COUNTED = 10_000
"""Before Redis 7 a group's lag is counted, as far as this."""
AT_ONCE = 100
"""Records read by one command."""
BLOCK_MS = 2000  # below what an answer may take
MAKING = "auteur:making"
"""A group that is there for a moment: only with one a stream is made empty."""


class RedisAdmin:
    """Looks at streams and makes them."""

    def __init__(self) -> None:
        self._client = connect()

    def create(self, streams: Iterable[Stream]) -> list[Made]:
        """As `StreamAdmin.create`; retention is kept by whoever publishes."""
        made = []
        with answering():
            for stream in streams:
                key = key_of(stream.name)
                kind = self._client.type(key).decode()
                if kind == "none":
                    self._make(key)
                differs = () if kind in {"none", "stream"} else (f"the key is a {kind}",)
                made.append(Made(stream.name, created=kind == "none", differs=differs))
        return made

    def _make(self, key: str) -> None:
        with self._client.pipeline() as batch:
            batch.xgroup_create(key, MAKING, mkstream=True)
            batch.xgroup_destroy(key, MAKING)
            batch.execute()

    def check(self, streams: Iterable[Stream]) -> list[Check]:
        """As `StreamAdmin.check`."""
        try:
            with answering():
                server = self._client.info()
                position = self._client.get(POSITION)
                names = [stream.name for stream in streams]
                there = self._client.exists(*map(key_of, names))
                wrong = other_values(self._client, names)
        except SinkError as exc:
            return [Check("connection", problem=str(exc))]
        return [
            Check("connection", f"Redis {server['redis_version']}, signed in"),
            _check_memory(server),
            Check(
                "streams",
                f"{there - len(wrong)} of {len(names)}; others come with their first record",
                f"Not streams, but other values: {', '.join(wrong)}." if wrong else "",
            ),
            Check("position", str(int(position)) if position else "nothing was published yet"),
        ]

    def peek(self, stream: str, count: int) -> list[Stored]:
        """As `StreamAdmin.peek`."""
        with answering():
            entries = self._client.xrevrange(key_of(stream), count=count)
        return [_stored(stream, *entry) for entry in reversed(entries)]

    def tail(self, streams: Sequence[str]) -> Iterator[Stored]:
        """As `StreamAdmin.tail`."""
        with answering():
            last: dict[str, Any] = {key_of(name): self._last_id(name) for name in streams}
            while True:
                for key, entries in self._read(last):
                    for entry_id, fields in entries:
                        last[key] = entry_id
                        yield _stored(key.removeprefix(key_of("")), entry_id, fields)

    def _read(self, last: dict[str, Any]) -> list[tuple[str, list[Any]]]:
        found = self._client.xread(last, count=AT_ONCE, block=BLOCK_MS) or []
        pairs = found.items() if isinstance(found, Mapping) else found
        return [(key.decode(), entries) for key, entries in pairs]

    def _last_id(self, stream: str) -> bytes | str:
        entries = self._client.xrevrange(key_of(stream), count=1)
        return entries[0][0] if entries else "0-0"

    def standing(self, streams: Iterable[Stream]) -> Standing:
        """As `StreamAdmin.standing`."""
        names = [stream.name for stream in streams]
        with answering():
            with self._client.pipeline(transaction=False) as batch:
                for name in names:
                    batch.xlen(key_of(name))
                found = zip(names, batch.execute(), strict=True)
            lengths = tuple(Length(name, length) for name, length in found)
            there = [each.stream for each in lengths if self._client.exists(key_of(each.stream))]
            groups = [group for name in there for group in self._groups(name)]
        return Standing(lengths, tuple(groups))

    def _groups(self, stream: str) -> Iterator[GroupLag]:
        for group in self._client.xinfo_groups(key_of(stream)):
            lag = group.get("lag")
            if lag is None:
                after = b"(" + group["last-delivered-id"]
                lag = len(self._client.xrange(key_of(stream), after, count=MAX_LAG_COUNTED))
            yield GroupLag(stream, group["name"].decode(), lag, group["pending"])


def _check_memory(server: Mapping[str, Any]) -> Check:
    limit, policy = server.get("maxmemory", 0), server.get("maxmemory_policy", "noeviction")
    detail = f"{server['used_memory']} bytes of {limit or 'no limit'}, {policy}"
    evicts = bool(limit) and not str(policy).startswith(("noeviction", "volatile-"))
    problem = "When Redis is full it deletes streams: set maxmemory-policy to noeviction."
    return Check("memory", detail, problem if evicts else "")


def _stored(stream: str, entry_id: bytes, fields: Mapping[bytes, bytes]) -> Stored:
    at = datetime.fromtimestamp(int(entry_id.partition(b"-")[0]) / 1000, UTC)
    key = fields.get(b"key", b"").decode(errors="replace")
    return Stored(stream, entry_id.decode(), key, fields.get(b"value", b""), at)
