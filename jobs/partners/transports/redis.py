"""Redis Streams: a consumer group reads them, MULTI joins what belongs together.

Entries have the fields ``key`` (which may be missing) and ``value``; one without ``value`` is read
as an object of its fields. Needs Redis 6.2.
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

from jobs.partners.transports.base import (
    ANSWER_SECONDS,
    MAX_AT_ONCE,
    Answer,
    Message,
    TransportError,
)
from jobs.partners.transports.connections import RedisConnection
from jobs.partners.transports.contents import checked, kept_of, reason_of

Receipt = tuple[str, str]
"""A stream and the id of an entry."""

LOST_SECONDS = 30.0
"""After these, a message that was not acknowledged is given to another process."""
CLAIM_SECONDS = 10.0
"""Between looks for such messages."""
MAX_ENTRIES = 100_000
"""Of an answers' stream, and of the dead letters; the oldest go first."""
SENT_SECONDS = 7 * 24 * 3600
"""How long it is known that an answer was sent."""
FORGOTTEN_SECONDS = 24 * 3600
"""A consumer that read nothing for so long is no process any more."""

REFUSALS = {
    exceptions.AuthenticationError: "Redis refuses the user or password",
    exceptions.NoPermissionError: "The Redis user may not do this",
}
AWAY = (
    exceptions.ConnectionError,
    exceptions.TimeoutError,
    exceptions.ReadOnlyError,  # a replica, which will be the primary or is left for it
    exceptions.MasterDownError,
    exceptions.OutOfMemoryError,
)
NO_GROUP = "NOGROUP"
TLS_FAILS = "TLS with Redis fails: look at the certificates and the host's name"


class RedisTransport:
    """As `Transport`."""

    def __init__(
        self, connection: RedisConnection, *, topics: Sequence[str], group: str, dead_letters: str
    ) -> None:
        self._connection = connection
        self._topics = topics
        self._group = group
        self._dead_letters = dead_letters
        self._name = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self._made: redis.Redis | None = None
        self._is_ready = False
        self._held: dict[Receipt, Message] = {}
        self._claim_at = 0.0
        self._cursors: dict[str, str] = {}

    @property
    def _client(self) -> redis.Redis:
        if self._made is None:
            secure = {"ssl_ca_data": self._connection.ca} if self._connection.ca else {}
            self._made = redis.Redis.from_url(
                self._connection.url.get_secret_value(),
                protocol=2,
                socket_timeout=ANSWER_SECONDS,
                socket_connect_timeout=ANSWER_SECONDS,
                retry=Retry(NoBackoff(), 0),
                **secure,
            )
        return self._made

    @contextmanager
    def _answering(self) -> Iterator[None]:
        """Raise what Redis raises as a ``TransportError``."""
        try:
            yield
        except exceptions.RedisError as exc:
            self._is_ready = False
            raise _meaning(exc) from exc

    def check(self) -> None:
        """As `Transport.check`; groups are made, and with them streams that are missing."""
        with self._answering():
            self._prepare()
            self._client.ping()

    def _prepare(self) -> None:
        if self._is_ready:
            return
        for topic in self._topics:
            try:
                self._client.xgroup_create(topic, self._group, id="0", mkstream=True)
            except exceptions.ResponseError as exc:
                if "BUSYGROUP" not in str(exc):
                    raise
            self._forget_consumers(topic)
        self._is_ready = True

    def _forget_consumers(self, topic: str) -> None:
        """Each process has a name of its own: they would become ever more."""
        for consumer in self._client.xinfo_consumers(topic, self._group):
            if not consumer["pending"] and consumer["idle"] > 1000 * FORGOTTEN_SECONDS:
                self._client.xgroup_delconsumer(topic, self._group, consumer["name"])

    def receive(self, seconds: float, most: int) -> Sequence[Message]:
        """As `Transport.receive`."""
        most = min(most, MAX_AT_ONCE)
        with self._answering():
            self._prepare()
            if time.monotonic() >= self._claim_at:
                self._claim(most)
            if len(self._held) < most:
                self._read(0 if self._held else seconds, most - len(self._held))
        return list(self._held.values())[:most]

    def _read(self, seconds: float, most: int) -> None:
        """``most`` of each stream at most: Redis counts them apart."""
        found: Any = self._client.xreadgroup(
            self._group,
            self._name,
            dict.fromkeys(self._topics, ">"),
            count=max(1, most // len(self._topics)),
            block=_blocking(seconds),
        )
        for topic, entries in found or []:
            self._hold(topic.decode(), entries)

    def _claim(self, most: int) -> None:
        """Take what another process was given and did not acknowledge in time."""
        for topic in self._topics:
            after, entries, *_ = self._client.xautoclaim(
                topic,
                self._group,
                self._name,
                min_idle_time=int(1000 * LOST_SECONDS),
                start_id=self._cursors.get(topic, "0-0"),
                count=most,
            )
            self._cursors[topic] = after.decode()
            self._hold(topic, entries)
        self._claim_at = time.monotonic() + CLAIM_SECONDS

    def _hold(self, topic: str, entries: Iterable[tuple[bytes | None, dict[bytes, bytes]]]) -> None:
        for entry_id, fields in entries:
            if entry_id is not None and fields is not None:  # else it was deleted meanwhile
                message = _message(topic, entry_id.decode(), fields)
                self._held[topic, entry_id.decode()] = message

    def acknowledge(self, messages: Sequence[Message]) -> None:
        """As `Transport.acknowledge`."""
        with self._answering(), self._client.pipeline(transaction=False) as batch:
            for message in messages:
                topic, entry_id = message.receipt
                batch.xack(topic, self._group, entry_id)
            batch.execute()
        for message in messages:
            self._held.pop(message.receipt, None)

    def set_aside(self, message: Message, reason: str) -> None:
        """As `Transport.set_aside`, both at once."""
        topic, entry_id = message.receipt
        value, is_whole = kept_of(message)
        fields: dict[Any, Any] = {
            "topic": topic,
            "key": message.key or b"",
            "value": value,
            "reason": reason_of(reason),
            "coordinates": message.coordinates,
            "whole": int(is_whole),
        }
        with self._answering(), self._client.pipeline() as batch:
            batch.xadd(self._dead_letters, fields, maxlen=MAX_ENTRIES, approximate=True)
            batch.xack(topic, self._group, entry_id)
            batch.execute()
        self._held.pop(message.receipt, None)

    def send_again(self, most: int) -> int:
        """As `Transport.send_again`."""
        sent = 0
        with self._answering():
            for entry_id, fields in self._letters():
                if sent >= most:
                    break
                if fields.get(b"whole") != b"1":
                    continue
                with self._client.pipeline() as batch:
                    batch.xadd(
                        fields[b"topic"], {name: fields[name] for name in (b"key", b"value")}
                    )
                    batch.xdel(self._dead_letters, entry_id)
                    batch.execute()
                sent += 1
        return sent

    def _letters(self) -> Iterator[tuple[bytes, dict[Any, Any]]]:
        after = b"-"
        while True:
            found: Any = self._client.xrange(self._dead_letters, min=after, count=MAX_AT_ONCE)
            yield from found
            if len(found) < MAX_AT_ONCE:
                return
            after = b"(" + found[-1][0]

    def mark(self, topic: str) -> str:
        """As `Transport.mark`: Redis knows of each answer itself."""
        return ""

    def send(self, answer: Answer) -> None:
        """As `Transport.send`; one that is there is not added again."""
        checked(answer)
        fields: dict[Any, Any] = {"key": answer.key, "value": answer.value, "id": answer.id}

        def add(batch: "redis.client.Pipeline") -> None:
            is_there = batch.exists(_sent_key(answer))
            batch.multi()
            if not is_there:
                batch.xadd(answer.topic, fields, maxlen=MAX_ENTRIES, approximate=True)
                batch.set(_sent_key(answer), 1, ex=SENT_SECONDS)

        with self._answering():  # begins again where another process sends the same
            self._client.transaction(add, _sent_key(answer))

    def was_sent(self, answer: Answer, since: str | None) -> bool | None:
        """As `Transport.was_sent`, for a week."""
        with self._answering():
            return bool(self._client.exists(_sent_key(answer)))

    def close(self) -> None:
        """As `Transport.close`."""
        if self._made is None:
            return
        with suppress(exceptions.RedisError):  # then they wait until they are taken for lost
            self._give_up()
        self._made.close()
        self._made, self._is_ready = None, False
        self._held.clear()

    def _give_up(self) -> None:
        """Say of all that is held that it has waited long enough."""
        for topic, entry_id in self._held:
            self._client.xclaim(
                topic,
                self._group,
                self._name,
                min_idle_time=0,
                message_ids=[entry_id],
                idle=int(1000 * LOST_SECONDS),
                justid=True,
            )


def _blocking(seconds: float) -> int | None:
    """In milliseconds, below what an answer may take; None for not at all, as 0 is for ever."""
    return int(1000 * min(seconds, ANSWER_SECONDS / 2)) or None


def _message(topic: str, entry_id: str, fields: dict[bytes, bytes]) -> Message:
    value = fields.get(b"value")
    if value is None:
        texts = ((name.decode(errors="replace"), it) for name, it in fields.items())
        value = json.dumps({name: it.decode(errors="replace") for name, it in texts}).encode()
    return Message(
        topic, fields.get(b"key") or None, value, f"{topic}/{entry_id}", (topic, entry_id)
    )


def _sent_key(answer: Answer) -> str:
    return f"{answer.topic}:sent:{answer.id}"


def _meaning(exc: exceptions.RedisError) -> TransportError:
    # Without the command before it, which holds a message.
    why = str(exc).rpartition(" caused error: ")[2]
    for kind, text in REFUSALS.items():
        if isinstance(exc, kind):
            return TransportError(f"{text}: {why}", is_outage=False)
    if "CERTIFICATE_VERIFY_FAILED" in why:
        return TransportError(f"{TLS_FAILS}: {why}", is_outage=False)
    if isinstance(exc, AWAY) or NO_GROUP in why:  # the group is made again
        return TransportError(f"Redis is away: {why}", is_outage=True)
    return TransportError(f"Redis refuses: {why}", is_outage=False)
