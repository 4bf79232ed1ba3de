"""Exchange messages over Redis Streams, with a consumer group and MULTI transactions.

Entries have the fields ``key`` (optional) and ``value``. An entry without ``value`` is read as an
object of its fields. It needs Redis 6.2.
"""

import json
import os
import socket
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import redis
from redis import exceptions
from redis.backoff import NoBackoff
from redis.retry import Retry

from jobs.integrations.partners.transports.base import (
    ANSWER_SECONDS,
    MAX_UNACKNOWLEDGED,
    Answer,
    Message,
    TransportError,
)
from jobs.integrations.partners.transports.connections import RedisConnection
from jobs.integrations.partners.transports.contents import (
    check_size,
    truncate_message,
    truncate_reason,
)

Receipt = tuple[str, str]
"""The stream and the id of an entry."""

LOST_SECONDS = 30.0
"""The time after which another process gets an unacknowledged message."""
CLAIM_SECONDS = 10.0
"""How often such messages are claimed."""
MAX_ENTRIES = 100_000
"""The length to which streams of answers and dead letters are trimmed."""
SENT_RECORD_SECONDS = 7 * 24 * 3600
"""How long it is recorded that an answer was sent."""
CONSUMER_IDLE_SECONDS = 24 * 3600
"""The idle time after which a consumer's process is taken for dead."""

REFUSALS = {
    exceptions.AuthenticationError: "Redis refuses the user or password",
    exceptions.NoPermissionError: "The Redis user lacks the permission",
}
OUTAGE_ERRORS = (
    exceptions.ConnectionError,
    exceptions.TimeoutError,
    exceptions.ReadOnlyError,  # A failover is in progress.
    exceptions.MasterDownError,
    exceptions.OutOfMemoryError,
)
NO_GROUP = "NOGROUP"
TLS_FAILS = "TLS with Redis fails: check the certificates and the host name"


class RedisTransport:
    """The transport for Redis Streams."""

    def __init__(
        self, connection: RedisConnection, *, topics: Sequence[str], group: str, dead_letters: str
    ) -> None:
        self._connection = connection
        self._topics = topics
        self._group = group
        self._dead_letters = dead_letters
        self._name = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self._cached_client: redis.Redis | None = None
        self._is_ready = False
        self._pending_messages: dict[Receipt, Message] = {}
        self._claim_at = 0.0
        self._cursors: dict[str, str] = {}

    @property
    def _client(self) -> redis.Redis:
        if self._cached_client is None:
            secure = {"ssl_ca_data": self._connection.ca} if self._connection.ca else {}
            self._cached_client = redis.Redis.from_url(
                self._connection.url.get_secret_value(),
                protocol=2,
                socket_timeout=ANSWER_SECONDS,
                socket_connect_timeout=ANSWER_SECONDS,
                retry=Retry(NoBackoff(), 0),
                **secure,
            )
        return self._cached_client

    @contextmanager
    def _convert_errors(self) -> Iterator[None]:
        """Convert Redis' errors to ``TransportError``."""
        try:
            yield
        except exceptions.RedisError as exc:
            self._is_ready = False
            raise _classify_error(exc) from exc

    def check(self) -> None:
        """Implement `Transport.check`. Missing groups and streams are created."""
        with self._convert_errors():
            self._create_groups()
            self._client.ping()

    def _create_groups(self) -> None:
        if self._is_ready:
            return
        for topic in self._topics:
            try:
                self._client.xgroup_create(topic, self._group, id="0", mkstream=True)
            except exceptions.ResponseError as exc:
                if "BUSYGROUP" not in str(exc):
                    raise
            self._delete_old_consumers(topic)
        self._is_ready = True

    def _delete_old_consumers(self, topic: str) -> None:
        """Delete the consumers of dead processes, because each process has a new name."""
        for consumer in self._client.xinfo_consumers(topic, self._group):
            if not consumer["pending"] and consumer["idle"] > 1000 * CONSUMER_IDLE_SECONDS:
                self._client.xgroup_delconsumer(topic, self._group, consumer["name"])

    def receive(self, seconds: float, limit: int) -> Sequence[Message]:
        """Implement `Transport.receive`."""
        limit = min(limit, MAX_UNACKNOWLEDGED)
        with self._convert_errors():
            self._create_groups()
            if time.monotonic() >= self._claim_at:
                self._claim_lost_messages(limit)
            if len(self._pending_messages) < limit:
                self._read_messages(
                    0 if self._pending_messages else seconds, limit - len(self._pending_messages)
                )
        return list(self._pending_messages.values())[:limit]

    def _read_messages(self, seconds: float, limit: int) -> None:
        """Read new messages, up to ``limit`` of all streams: Redis counts each stream apart."""
        answer: Any = self._client.xreadgroup(
            self._group,
            self._name,
            dict.fromkeys(self._topics, ">"),
            count=max(1, limit // len(self._topics)),
            block=_compute_block_ms(seconds),
        )
        for topic, entries in answer or []:
            self._add_messages(topic.decode(), entries)

    def _claim_lost_messages(self, limit: int) -> None:
        """Claim messages that another process has not acknowledged in time."""
        for topic in self._topics:
            after, entries, *_ = self._client.xautoclaim(
                topic,
                self._group,
                self._name,
                min_idle_time=int(1000 * LOST_SECONDS),
                start_id=self._cursors.get(topic, "0-0"),
                count=limit,
            )
            self._cursors[topic] = after.decode()
            self._add_messages(topic, entries)
        self._claim_at = time.monotonic() + CLAIM_SECONDS

    def _add_messages(
        self, topic: str, entries: Iterable[tuple[bytes | None, dict[bytes, bytes]]]
    ) -> None:
        for entry_id, fields in entries:
            if entry_id is not None and fields is not None:  # Otherwise the entry was deleted.
                message = _build_message(topic, entry_id.decode(), fields)
                self._pending_messages[topic, entry_id.decode()] = message

    def acknowledge(self, messages: Sequence[Message]) -> None:
        """Implement `Transport.acknowledge`."""
        with self._convert_errors(), self._client.pipeline(transaction=False) as batch:
            for message in messages:
                topic, entry_id = message.receipt
                batch.xack(topic, self._group, entry_id)
            batch.execute()
        for message in messages:
            self._pending_messages.pop(message.receipt, None)

    def set_aside(self, message: Message, reason: str) -> None:
        """Implement `Transport.set_aside`. Both writes are one transaction."""
        topic, entry_id = message.receipt
        value, is_whole = truncate_message(message)
        fields: dict[Any, Any] = {
            "topic": topic,
            "key": message.key or b"",
            "value": value,
            "reason": truncate_reason(reason),
            "coordinates": message.coordinates,
            "whole": int(is_whole),
        }
        with self._convert_errors(), self._client.pipeline() as batch:
            batch.xadd(self._dead_letters, fields, maxlen=MAX_ENTRIES, approximate=True)
            batch.xack(topic, self._group, entry_id)
            batch.execute()
        self._pending_messages.pop(message.receipt, None)

    def send_again(self, limit: int) -> int:
        """Implement `Transport.send_again`."""
        count = 0
        with self._convert_errors():
            for entry_id, fields in self._read_dead_letters():
                if count >= limit:
                    break
                if fields.get(b"whole") != b"1":
                    continue
                with self._client.pipeline() as batch:
                    batch.xadd(
                        fields[b"topic"], {name: fields[name] for name in (b"key", b"value")}
                    )
                    batch.xdel(self._dead_letters, entry_id)
                    batch.execute()
                count += 1
        return count

    def _read_dead_letters(self) -> Iterator[tuple[bytes, dict[Any, Any]]]:
        after = b"-"
        while True:
            entries: Any = self._client.xrange(
                self._dead_letters, min=after, count=MAX_UNACKNOWLEDGED
            )
            yield from entries
            if len(entries) < MAX_UNACKNOWLEDGED:
                return
            after = b"(" + entries[-1][0]

    def mark(self, topic: str) -> str:
        """Implement `Transport.mark`. It is empty, because Redis records each answer."""
        return ""

    def send(self, answer: Answer) -> None:
        """Implement `Transport.send`. An answer that was sent is not added again."""
        check_size(answer)
        fields: dict[Any, Any] = {"key": answer.key, "value": answer.value, "id": answer.id}

        def add(batch: "redis.client.Pipeline") -> None:
            was_added = batch.exists(_build_sent_key(answer))
            batch.multi()
            if not was_added:
                batch.xadd(answer.topic, fields, maxlen=MAX_ENTRIES, approximate=True)
                batch.set(_build_sent_key(answer), 1, ex=SENT_RECORD_SECONDS)

        with self._convert_errors():  # It starts over if another process sends the same answer.
            self._client.transaction(add, _build_sent_key(answer))

    def was_sent(self, answer: Answer, since: str | None) -> bool | None:
        """Implement `Transport.was_sent`, for a week."""
        with self._convert_errors():
            return bool(self._client.exists(_build_sent_key(answer)))

    def close(self) -> None:
        """Implement `Transport.close`."""
        if self._cached_client is None:
            return
        with suppress(exceptions.RedisError):  # Then the messages are claimed after `LOST_SECONDS`.
            self._release_messages()
        self._cached_client.close()
        self._cached_client, self._is_ready = None, False
        self._pending_messages.clear()

    def _release_messages(self) -> None:
        """Set the idle time of all pending messages so that others claim them at once."""
        for topic, entry_id in self._pending_messages:
            self._client.xclaim(
                topic,
                self._group,
                self._name,
                min_idle_time=0,
                message_ids=[entry_id],
                idle=int(1000 * LOST_SECONDS),
                justid=True,
            )


def _compute_block_ms(seconds: float) -> int | None:
    """Return the blocking time, below the timeout. None is no blocking, because 0 is for ever."""
    return int(1000 * min(seconds, ANSWER_SECONDS / 2)) or None


def _build_message(topic: str, entry_id: str, fields: dict[bytes, bytes]) -> Message:
    value = fields.get(b"value")
    if value is None:
        texts = ((name.decode(errors="replace"), content) for name, content in fields.items())
        value = json.dumps(
            {name: content.decode(errors="replace") for name, content in texts}
        ).encode()
    return Message(
        topic, fields.get(b"key") or None, value, f"{topic}/{entry_id}", (topic, entry_id)
    )


def _build_sent_key(answer: Answer) -> str:
    return f"{answer.topic}:sent:{answer.id}"


def _classify_error(exc: exceptions.RedisError) -> TransportError:
    # The command before the cause is left out, because it has a message in it.
    reason = str(exc).rpartition(" caused error: ")[2]
    for kind, text in REFUSALS.items():
        if isinstance(exc, kind):
            return TransportError(f"{text}: {reason}", is_outage=False)
    if "CERTIFICATE_VERIFY_FAILED" in reason:
        return TransportError(f"{TLS_FAILS}: {reason}", is_outage=False)
    if isinstance(exc, OUTAGE_ERRORS) or NO_GROUP in reason:  # A missing group is created again.
        return TransportError(f"Redis is away: {reason}", is_outage=True)
    return TransportError(f"Redis refuses: {reason}", is_outage=False)
