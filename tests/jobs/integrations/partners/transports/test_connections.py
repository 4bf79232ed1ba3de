"""What an administrator enters to reach a broker, and that nobody sees it again."""

from collections.abc import Iterator

import pytest
from confluent_kafka import KafkaError

from jobs.integrations.partners.transports import connect, kafka_client, kafka_reading
from jobs.integrations.partners.transports.base import (
    MAX_DEAD_LETTER_BYTES,
    MAX_MESSAGE_BYTES,
    MAX_REASON_CHARACTERS,
    AnswerTooLargeError,
    Message,
    TransportError,
)
from jobs.integrations.partners.transports.connections import (
    MAX_BROKERS,
    ConnectionSettingsError,
    parse_connection,
)
from jobs.integrations.partners.transports.contents import truncate_message, truncate_reason
from tests.tls_listener import tls_listener

SECRET = "s3cr3t"
KAFKA = {"brokers": ["a:9092", "[::1]:9092"], "username": "doadmin", "password": SECRET}


def test_kafka_is_reached_as_the_course_platform_says_it():
    connection = parse_connection(
        "kafka", KAFKA | {"saslMechanism": "scram-sha-512", "connectionTimeout": 5000}
    )
    chosen = kafka_client.build_configuration(connection, kafka_client.Failures(), linger_ms=5)
    assert chosen["bootstrap.servers"] == "a:9092,[::1]:9092"
    assert chosen["security.protocol"] == "SASL_SSL"
    assert chosen["sasl.mechanism"] == "SCRAM-SHA-512"
    assert (chosen["sasl.username"], chosen["sasl.password"]) == ("doadmin", SECRET)
    assert chosen["socket.connection.setup.timeout.ms"] == 5000
    assert chosen["linger.ms"] == 5
    assert SECRET not in repr(connection)
    plain = parse_connection("kafka", {"brokers": ["a:1"], "ssl": False})
    chosen = kafka_client.build_configuration(plain, kafka_client.Failures())
    assert chosen["security.protocol"] == "PLAINTEXT"


@pytest.mark.parametrize(
    ("transport", "values", "text"),
    [
        ("kafka", {"brokers": []}, "brokers"),
        ("kafka", {"brokers": ["a:1"] * (MAX_BROKERS + 1)}, "brokers"),
        ("kafka", {"brokers": [f"{SECRET}@a"]}, r"brokers.0: it must be host:port"),
        ("kafka", {"brokers": ["a:65536"]}, r"brokers.0: it must be host:port"),
        ("kafka", {"brokers": ["a:1"], "password": SECRET}, "username and password belong"),
        ("kafka", KAFKA | {"saslMechanism": SECRET}, "saslMechanism"),
        ("kafka", KAFKA | {"ca": SECRET}, "ca: it must contain certificates in PEM format"),
        ("kafka", KAFKA | {SECRET: SECRET}, "Extra inputs"),
        ("kafka", KAFKA | {"connectionTimeout": 999}, "connectionTimeout"),
        ("redis", {}, "url"),
        ("redis", {"url": f"http://:{SECRET}@a"}, "url: it must be redis:// or rediss://"),
        ("redis", {"url": f"redis://:{SECRET}@a:99999"}, "url: it is not a URL"),
        ("redis", {"url": f"redis://:{SECRET}@a?ssl_cert_reqs=none"}, "no options"),
        ("redis", {"url": f"redis://:{SECRET}@a/name"}, "database number"),
        ("redis", {"url": f"redis://:{SECRET}@"}, "with a host"),
        ("redis", {"url": f"redis://u:{SECRET}@a/" + "0" * 2048}, "url"),
        ("amqp", {"url": SECRET}, "use one of kafka, redis"),
    ],
)
def test_what_is_no_connection_is_told_without_what_was_entered(transport, values, text):
    with pytest.raises(ConnectionSettingsError, match=text) as raised:
        parse_connection(transport, values)
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize(
    ("code", "text", "is_outage"),
    [
        (KafkaError.SASL_AUTHENTICATION_FAILED, "refuses the user, the password", False),
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, "its ACLs must allow", False),
        (KafkaError.UNKNOWN_TOPIC_OR_PART, "A topic is missing", False),
        (KafkaError._TRANSPORT, "Kafka is away", True),
    ],
)
def test_what_kafka_says_is_told_also_where_the_call_only_took_too_long(code, text, is_outage):
    failures = kafka_client.Failures()
    failures.note(KafkaError(code))
    failures.note(KafkaError(KafkaError._ALL_BROKERS_DOWN))
    meaning = failures.build_exception(KafkaError(KafkaError._MSG_TIMED_OUT))
    assert text in str(meaning)
    assert meaning.is_outage is is_outage


def test_a_topic_may_take_less_than_we_send():
    meaning = kafka_client.Failures().build_exception(KafkaError(KafkaError.MSG_SIZE_TOO_LARGE))
    assert isinstance(meaning, AnswerTooLargeError)


def test_a_dead_letter_keeps_what_may_be_read_and_of_more_the_beginning():
    longest = Message("Transcribe", None, b"x" * MAX_MESSAGE_BYTES, "Transcribe/1")
    longer = Message("Transcribe", None, b"x" * (MAX_MESSAGE_BYTES + 1), "Transcribe/2")
    assert truncate_message(longest) == (longest.value, True)
    assert truncate_message(longer) == (b"x" * MAX_DEAD_LETTER_BYTES, False)
    assert len(truncate_reason("x" * (MAX_REASON_CHARACTERS + 1))) == MAX_REASON_CHARACTERS


@pytest.mark.parametrize(
    ("transport", "values"),
    [
        ("kafka", {"brokers": ["127.0.0.1:1"], "ssl": False}),
        ("redis", {"url": f"redis://:{SECRET}@127.0.0.1:1"}),
    ],
)
def test_nobody_there_is_an_outage(transport, values, monkeypatch):
    monkeypatch.setattr(kafka_reading, "ANSWER_SECONDS", 0.5)
    created = connect(transport, values, topics=["Transcribe"], group="auteur")
    with pytest.raises(TransportError, match="is away") as raised:
        created.check()
    assert raised.value.is_outage
    assert SECRET not in str(raised.value)
    created.close()


@pytest.fixture
def tls(tmp_path) -> Iterator[tuple[int, str]]:
    """The port of a listener, and its certificate, which nobody signed."""
    with tls_listener(tmp_path) as (port, certificate):
        yield port, certificate.read_text()


@pytest.mark.parametrize("knows_it", [False, True], ids=["unknown signer", "another name"])
@pytest.mark.parametrize("transport", ["kafka", "redis"])
def test_a_certificate_that_does_not_match_is_refused(tls, transport, knows_it, monkeypatch):
    monkeypatch.setattr(kafka_reading, "ANSWER_SECONDS", 1.0)
    port, certificate = tls
    reached: dict[str, dict[str, object]] = {
        "kafka": {"brokers": [f"127.0.0.1:{port}"]},
        "redis": {"url": f"rediss://:{SECRET}@127.0.0.1:{port}"},
    }
    values = reached[transport] | ({"ca": certificate} if knows_it else {})
    created = connect(transport, values, topics=["Transcribe"], group="auteur")
    with pytest.raises(TransportError, match=r"TLS with .* fails: check") as raised:
        created.check()
    assert not raised.value.is_outage
    assert SECRET not in str(raised.value)
    created.close()
