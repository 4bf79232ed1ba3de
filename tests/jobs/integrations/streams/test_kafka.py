"""Kafka, by librdkafka's mock cluster in a process of its own; and brokers that cannot be had."""

import datetime
import threading
from collections.abc import Iterator

import pytest
from confluent_kafka import KafkaError

from jobs.events import log
from jobs.integrations.streams import batches, cursor, encoding
from jobs.integrations.streams.names import STREAMS
from jobs.integrations.streams.sinks import kafka
from jobs.integrations.streams.sinks.base import EncodedRecord, SinkAwayError, SinkRefusedError
from jobs.integrations.streams.sinks.kafka import KafkaSink
from jobs.integrations.streams.sinks.kafka_admin import KafkaAdmin
from jobs.integrations.streams.sinks.kafka_client import Failures, build_configuration
from tests.auteur.live.running import make_job, make_user, say
from tests.jobs.integrations.streams import mock_cluster
from tests.jobs.integrations.streams.conftest import rounds
from tests.jobs.integrations.streams.mock_cluster import MockCluster
from tests.tls_listener import tls_listener

JAVAS_HASH_OF_21 = -973932308
"""murmur2 of Kafka's Java client, by its own tests."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[MockCluster]:
    with mock_cluster.running() as cluster:
        yield cluster


@pytest.fixture
def brokers(cluster: MockCluster, settings) -> MockCluster:
    settings.STREAMS_SINK = "kafka"
    settings.KAFKA_BROKERS = cluster.addresses
    return cluster


@pytest.fixture
def sink(brokers: MockCluster) -> Iterator[KafkaSink]:
    sink = KafkaSink()
    yield sink
    sink.close()


def record(number: int, stream: str = "jobs.tts", key: str = "21") -> EncodedRecord:
    return EncodedRecord(stream, key, b"record %d" % number, 1_700_000_000_000 + number)


def test_records_come_in_order_to_the_partition_that_java_would_choose(sink):
    assert sink.begin() is None
    sink.write([record(number) for number in range(500)], 500)
    sink.write([record(500)], 501)
    results = KafkaAdmin().peek("jobs.tts", 1000)
    assert [first.value for first in results] == [b"record %d" % number for number in range(501)]
    expected = (JAVAS_HASH_OF_21 & 0x7FFFFFFF) % mock_cluster.PARTITIONS
    assert {first.location.split(":")[0] for first in results} == {str(expected)}
    assert results[7].key == "21"
    assert results[7].at == datetime.datetime.fromtimestamp(1_700_000_000.007, datetime.UTC)
    assert [first.value for first in KafkaAdmin().peek("jobs.tts", 2)] == [
        b"record 499",
        b"record 500",
    ]


@pytest.mark.django_db
def test_events_reach_kafka_and_the_cursor_follows(sink, make_publisher):
    job = make_job(make_user())
    say(job, "requested", "started")
    publisher = make_publisher(sink)
    rounds(publisher)
    rounds(publisher)
    values = [encoding.decode(first.value) for first in KafkaAdmin().peek("analytics.events", 10)]
    assert [value["seq"] for value in values] == [1, 2]


def test_brokers_that_hang_are_an_outage_and_lose_nothing(sink, brokers, monkeypatch):
    sink.begin()
    monkeypatch.setattr(kafka, "WRITE_SECONDS", 0.5)
    monkeypatch.setattr(kafka, "CONNECT_SECONDS", 0.5)
    brokers.hang()
    try:
        with pytest.raises(SinkAwayError, match="Kafka is away"):
            sink.write([record(number, "jobs.render") for number in range(3)], 3)
        with pytest.raises(SinkAwayError, match="Kafka is away"):
            sink.begin()
    finally:
        brokers.go_on()
    monkeypatch.undo()
    sink.begin()
    sink.write([record(number, "jobs.render") for number in range(3)], 3)
    results = [first.value for first in KafkaAdmin().peek("jobs.render", 10)]
    assert results[-3:] == [b"record 0", b"record 1", b"record 2"]


@pytest.mark.django_db(transaction=True)
def test_a_backlog_waits_in_the_log_while_brokers_hang(sink, brokers, make_publisher, monkeypatch):
    monkeypatch.setattr(batches, "FIRST_EVENTS", 40)
    monkeypatch.setattr(batches, "MAX_EVENTS", 40)
    user = make_user()
    job = make_job(user)
    say(job, "requested")
    publisher = make_publisher(sink)
    rounds(publisher)
    before = publisher.position
    brokers.hang()
    try:
        with monkeypatch.context() as patience:
            patience.setattr(kafka, "WRITE_SECONDS", 0.3)
            patience.setattr(kafka, "CONNECT_SECONDS", 0.3)
            sink.close()  # the producer that waits for longer
            say(job, *["requeued"] * 100)
            rounds(publisher)
            assert cursor.select_row().get().position == publisher.position == before
    finally:
        brokers.go_on()
    sink.close()
    rounds(publisher, 6)
    assert cursor.select_row().get().position == log.get_last_position() == before + 100
    results = [
        first for first in KafkaAdmin().peek("analytics.events", 1000) if first.key == str(user.pk)
    ]
    messages = [encoding.decode(first.value)["seq"] for first in results]
    assert list(dict.fromkeys(messages)) == [*range(1, 102)]


def test_tail_tells_what_comes(sink):
    sink.begin()
    sink.write([record(0, "jobs.completed")], 1)
    output = KafkaAdmin().tail(["jobs.completed"])
    first: list[object] = []
    thread = threading.Thread(target=lambda: first.append(next(output)))
    thread.start()
    number = 0
    while thread.is_alive():
        number += 1
        sink.write([record(number, "jobs.completed")], number)
        thread.join(0.2)
    assert first[0].stream == "jobs.completed"
    assert first[0].value != b"record 0"
    output.close()


def test_lengths_and_what_is_missing(sink):
    sink.begin()
    sink.write([record(number, "jobs.failed", f"user {number}") for number in range(9)], 9)
    standing = KafkaAdmin().standing([STREAMS["jobs.failed"]])
    assert [(length.stream, length.records) for length in standing.lengths] == [("jobs.failed", 9)]
    connection, streams = KafkaAdmin().check(STREAMS.values())
    assert not connection.problem
    assert "jobs.gaze-redirection" in streams.problem
    assert "manage.py streams create" in streams.problem


def test_nobody_there(settings, monkeypatch):
    settings.KAFKA_BROKERS = ["127.0.0.1:1"]
    monkeypatch.setattr(kafka, "CONNECT_SECONDS", 0.5)
    with pytest.raises(SinkAwayError, match=r"Kafka is away: .*127\.0\.0\.1:1"):
        KafkaSink().begin()


@pytest.fixture
def tls_port(tmp_path) -> Iterator[int]:
    """Of a listener whose certificate, in ``tmp_path``, nobody signed."""
    with tls_listener(tmp_path) as (port, _):
        yield port


@pytest.mark.parametrize("knows_it", [False, True], ids=["unknown signer", "another name"])
def test_a_certificate_that_does_not_match_is_refused(
    tls_port, tmp_path, settings, monkeypatch, knows_it
):
    settings.KAFKA_BROKERS = [f"127.0.0.1:{tls_port}"]
    settings.KAFKA_SSL = True
    if knows_it:
        settings.KAFKA_CA_PATH = str(tmp_path / "certificate")
    monkeypatch.setattr(kafka, "CONNECT_SECONDS", 1.0)
    with pytest.raises(SinkRefusedError, match="TLS with Kafka fails: check KAFKA_CA_PATH"):
        KafkaSink().begin()


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (KafkaError.SASL_AUTHENTICATION_FAILED, "Kafka refuses KAFKA_USERNAME"),
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, "its ACLs need Write and Describe"),
        (KafkaError.UNKNOWN_TOPIC_OR_PART, "manage.py streams create"),
        (KafkaError.MSG_SIZE_TOO_LARGE, "max.message.bytes"),
    ],
)
def test_what_must_be_changed_is_told_also_where_the_call_only_took_too_long(code, text):
    failures = Failures()
    failures.note(KafkaError(code))
    failures.note(KafkaError(KafkaError._ALL_BROKERS_DOWN))
    meaning = failures.build_exception(KafkaError(KafkaError._MSG_TIMED_OUT))
    assert isinstance(meaning, SinkRefusedError)
    assert text in str(meaning)
    failures.clear()
    assert isinstance(
        failures.build_exception(KafkaError(KafkaError._MSG_TIMED_OUT)), SinkAwayError
    )


def test_how_a_client_signs_in(settings):
    settings.KAFKA_BROKERS = ["a:9092", "b:9092"]
    assert build_configuration(Failures())["security.protocol"] == "PLAINTEXT"
    settings.KAFKA_SSL = True
    settings.KAFKA_USERNAME, settings.KAFKA_PASSWORD = "auteur", "secret"
    settings.KAFKA_SASL_MECHANISM = "scram-sha-512"
    chosen = build_configuration(Failures(), linger_ms=5)
    assert chosen["bootstrap.servers"] == "a:9092,b:9092"
    assert chosen["security.protocol"] == "SASL_SSL"
    assert chosen["sasl.mechanism"] == "SCRAM-SHA-512"
    assert (chosen["sasl.username"], chosen["sasl.password"]) == ("auteur", "secret")
    assert chosen["linger.ms"] == 5
