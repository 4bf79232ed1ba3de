"""Write records and the position that they reach to Redis Streams, atomically."""

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import redis
from django.conf import settings
from redis import exceptions
from redis.backoff import NoBackoff
from redis.retry import Retry

from jobs.integrations.streams.names import STREAMS
from jobs.integrations.streams.sinks.base import (
    EncodedRecord,
    SinkAwayError,
    SinkMovedError,
    SinkRefusedError,
)

PREFIX = "auteur:streams:"
"""The prefix of stream keys. Without it, streams and Celery queues would share names."""
POSITION = "auteur:streams:position"
"""The key of the position in the event log that the streams have reached."""
ANSWER_SECONDS = 5.0
TRIM_SECONDS = 60.0
"""How often all streams are trimmed. Streams of a batch are trimmed with each batch."""

WRITE = """
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end
for i = 3, #ARGV, 3 do
    redis.call('XADD', KEYS[tonumber(ARGV[i])], '*', 'key', ARGV[i + 1], 'value', ARGV[i + 2])
end
if ARGV[2] ~= '' then redis.call('SET', KEYS[1], ARGV[2]) end
return 1
"""
"""A script that adds records and stores the position, unless Redis has an unexpected position.

It does what MULTI with WATCH would, but costs the client less time: one command for all records.
"""

REFUSALS = {
    exceptions.AuthenticationError: "Redis refuses the user or password of STREAMS_REDIS_URL",
    exceptions.NoPermissionError: "The Redis user of STREAMS_REDIS_URL lacks the permission",
    exceptions.OutOfMemoryError: "Redis is full: raise maxmemory, or lower STREAMS_REDIS_LENGTH",
}
OUTAGE_ERRORS = (
    exceptions.ConnectionError,
    exceptions.TimeoutError,
    exceptions.ReadOnlyError,  # A failover is in progress.
    exceptions.MasterDownError,
)


def connect() -> Any:
    """Return a client without retries, because the publisher retries.

    Its answers are bytes, which its type annotations do not say.
    """
    return redis.Redis.from_url(
        settings.STREAMS_REDIS_URL,
        socket_timeout=ANSWER_SECONDS,
        socket_connect_timeout=ANSWER_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )


@contextmanager
def translate_errors() -> Iterator[None]:
    """Convert Redis' errors to ``SinkError``."""
    try:
        yield
    except exceptions.RedisError as exc:
        # The command before the cause is left out, because it has a record in it.
        reason = str(exc).rpartition(" caused error: ")[2]
        for kind, text in REFUSALS.items():
            if isinstance(exc, kind):
                raise SinkRefusedError(f"{text}: {reason}") from exc
        if isinstance(exc, OUTAGE_ERRORS):
            raise SinkAwayError(f"Redis is away: {reason}") from exc
        raise SinkRefusedError(f"Redis refuses: {reason}") from exc


def get_key(stream: str) -> str:
    """Return the key of a stream."""
    return PREFIX + stream


def list_wrong_keys(client: Any, streams: Iterable[str]) -> list[str]:
    """Return the keys of streams that have values of another type."""
    keys = [get_key(stream) for stream in streams]
    with client.pipeline(transaction=False) as batch:
        for key in keys:
            batch.type(key)
        kinds = zip(keys, batch.execute(), strict=True)
    return [key for key, kind in kinds if kind not in {b"none", b"stream"}]


class RedisSink:
    """The sink for Redis Streams. It writes each batch completely or not at all."""

    def __init__(self) -> None:
        self._client = connect()
        self._position = b""
        self._trim_at = 0.0

    def begin(self) -> int:
        """Implement `Sink.begin`. The position is 0 if Redis has none."""
        with translate_errors():
            self._position = self._client.get(POSITION) or b""
            wrong_keys = list_wrong_keys(self._client, STREAMS)
        if wrong_keys:  # The batch's other records would be written at every try.
            raise SinkRefusedError(f"Not streams, but other values: {', '.join(wrong_keys)}.")
        try:
            return int(self._position or 0)
        except ValueError as exc:
            raise SinkRefusedError(f"{POSITION} in Redis is not a position: delete it.") from exc

    def write(self, records: Sequence[EncodedRecord], position: int | None) -> None:
        """Implement `Sink.write`. Nothing is written if the position in Redis has changed."""
        key_numbers = {name: number for number, name in enumerate(STREAMS, start=2)}
        values: list[str | bytes | int] = []
        for stream, key, value, _ in records:
            values += (key_numbers[stream], key, value)
        encoded_position = b"" if position is None else b"%d" % position
        with translate_errors(), self._client.pipeline(transaction=False) as batch:
            keys = (POSITION, *map(get_key, STREAMS))
            batch.eval(WRITE, len(keys), *keys, self._position, encoded_position, *values)
            self._trim_streams(batch, {record.stream for record in records})
            is_written, *_ = batch.execute()
        if not is_written:
            raise SinkMovedError("Redis does not have the position that was last written to it.")
        self._position = encoded_position or self._position

    def _trim_streams(self, batch: Any, stream_names: set[str]) -> None:
        """Trim streams by length and age. Trimming whole nodes only is approximate and cheap."""
        now = time.time()
        if now >= self._trim_at:
            self._trim_at = now + TRIM_SECONDS
            stream_names = set(STREAMS)
        for name in stream_names:
            oldest = int(1000 * (now - STREAMS[name].retention.total_seconds()))
            batch.xtrim(get_key(name), minid=oldest, approximate=True)
            batch.xtrim(get_key(name), maxlen=settings.STREAMS_REDIS_LENGTH, approximate=True)

    def close(self) -> None:
        """Implement `Sink.close`."""
        self._client.close()
