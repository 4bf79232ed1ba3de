"""Redis Streams: records, and the position that they reach, written as one."""

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import redis
from django.conf import settings
from redis import exceptions
from redis.backoff import NoBackoff
from redis.retry import Retry

from jobs.streams.names import STREAMS
from jobs.streams.sinks.base import Encoded, SinkAwayError, SinkMovedError, SinkRefusedError

PREFIX = "auteur:streams:"
"""Before a stream's name: Celery's queues have the same names."""
POSITION = "auteur:streams:position"
"""How far in the numbered log the streams go."""
ANSWER_SECONDS = 5.0
TRIM_SECONDS = 60.0
"""Between looks for old records in all streams; those that are written to are looked at then."""

WRITE = """
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end
for i = 3, #ARGV, 3 do
    redis.call('XADD', KEYS[tonumber(ARGV[i])], '*', 'key', ARGV[i + 1], 'value', ARGV[i + 2])
end
if ARGV[2] ~= '' then redis.call('SET', KEYS[1], ARGV[2]) end
return 1
"""
"""Adds records and notes the position, unless Redis has another than is expected.

It does what MULTI with WATCH would, in less of the client's time: one command for all records.
"""

REFUSALS = {
    exceptions.AuthenticationError: "Redis refuses the user or password of STREAMS_REDIS_URL",
    exceptions.NoPermissionError: "The Redis user of STREAMS_REDIS_URL may not do this",
    exceptions.OutOfMemoryError: "Redis is full: raise maxmemory, or lower STREAMS_REDIS_LENGTH",
}
AWAY = (
    exceptions.ConnectionError,
    exceptions.TimeoutError,
    exceptions.ReadOnlyError,  # a replica, which will be the primary or is left for it
    exceptions.MasterDownError,
)


def connect() -> Any:
    """A client that tries nothing twice: who publishes begins again.

    Its answers are bytes, which its types do not know.
    """
    return redis.Redis.from_url(
        settings.STREAMS_REDIS_URL,
        socket_timeout=ANSWER_SECONDS,
        socket_connect_timeout=ANSWER_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )


@contextmanager
def answering() -> Iterator[None]:
    """Raise what Redis raises as a ``SinkError``."""
    try:
        yield
    except exceptions.RedisError as exc:
        # Without the command before it, which holds a record.
        why = str(exc).rpartition(" caused error: ")[2]
        for kind, text in REFUSALS.items():
            if isinstance(exc, kind):
                raise SinkRefusedError(f"{text}: {why}") from exc
        if isinstance(exc, AWAY):
            raise SinkAwayError(f"Redis is away: {why}") from exc
        raise SinkRefusedError(f"Redis refuses: {why}") from exc


def key_of(stream: str) -> str:
    """Where a stream is kept."""
    return PREFIX + stream


def other_values(client: Any, streams: Iterable[str]) -> list[str]:
    """Keys of streams that hold something else."""
    keys = [key_of(stream) for stream in streams]
    with client.pipeline(transaction=False) as batch:
        for key in keys:
            batch.type(key)
        kinds = zip(keys, batch.execute(), strict=True)
    return [key for key, kind in kinds if kind not in {b"none", b"stream"}]


class RedisSink:
    """Publishes; each batch is written whole or not at all."""

    def __init__(self) -> None:
        self._client = connect()
        self._position = b""
        self._trim_at = 0.0

    def begin(self) -> int:
        """As `Sink.begin`: 0 where Redis knows nothing of us."""
        with answering():
            self._position = self._client.get(POSITION) or b""
            wrong = other_values(self._client, STREAMS)
        if wrong:  # the other records of a batch would be written, again and again
            raise SinkRefusedError(f"Not streams, but other values: {', '.join(wrong)}.")
        try:
            return int(self._position or 0)
        except ValueError as exc:
            raise SinkRefusedError(f"{POSITION} in Redis is no position: delete it.") from exc

    def write(self, records: Sequence[Encoded], position: int | None) -> None:
        """As `Sink.write`, but nothing is written where Redis was emptied or went on without us."""
        places = {name: number for number, name in enumerate(STREAMS, start=2)}
        values: list[str | bytes | int] = []
        for stream, key, value, _ in records:
            values += (places[stream], key, value)
        noted = b"" if position is None else b"%d" % position
        with answering(), self._client.pipeline(transaction=False) as batch:
            keys = (POSITION, *map(key_of, STREAMS))
            batch.eval(WRITE, len(keys), *keys, self._position, noted, *values)
            self._trim(batch, {record.stream for record in records})
            is_written, *_ = batch.execute()
        if not is_written:
            raise SinkMovedError("Redis does not have what was written to it.")
        self._position = noted or self._position

    def _trim(self, batch: Any, written: set[str]) -> None:
        """By length and by age; about, for whole nodes alone are cheap to remove."""
        now = time.time()
        if now >= self._trim_at:
            self._trim_at = now + TRIM_SECONDS
            written = set(STREAMS)
        for name in written:
            oldest = int(1000 * (now - STREAMS[name].retention.total_seconds()))
            batch.xtrim(key_of(name), minid=oldest, approximate=True)
            batch.xtrim(key_of(name), maxlen=settings.STREAMS_REDIS_LENGTH, approximate=True)

    def close(self) -> None:
        """As `Sink.close`."""
        self._client.close()
