"""What all transports promise, shown on Redis and on librdkafka's mock cluster."""

import json
import signal
import subprocess
import time

import pytest

from jobs.integrations.partners.transports import base, connect, kafka
from jobs.integrations.partners.transports import redis as redis_transport
from jobs.integrations.partners.transports.base import (
    MAX_ANSWER_BYTES,
    MAX_MESSAGE_BYTES,
    MAX_UNACKNOWLEDGED,
    Answer,
    AnswerTooLargeError,
    Transport,
    TransportError,
)
from tests.jobs.integrations.partners.transports.brokers import (
    WAIT_SECONDS,
    Broker,
    example,
    new_topic,
    wait_for,
    wait_for_topics,
)
from tests.jobs.integrations.partners.transports.reader import Reader, reading
from tests.properties import LONG

pytestmark = pytest.mark.property


def put(transport: Transport, topic: str, *values: bytes) -> None:
    """What a partner sends: each transport writes entries as it reads them."""
    for value in values:
        transport.send(Answer(topic, "video", value, f"{topic} {value[:9]!r}"))


def how(broker: Broker, topic: str, *, acknowledges: bool = True) -> dict[str, object]:
    return {
        "transport": broker.transport,
        "connection": broker.connection,
        "topics": [topic],
        "group": f"auteur.{topic}",
        "acknowledges": acknowledges,
    }


def until(reader: Reader, count: int) -> None:
    limit = time.monotonic() + WAIT_SECONDS
    while len(reader.lines) < count:
        assert time.monotonic() < limit, reader.lines
        time.sleep(0.02)


def test_what_is_not_acknowledged_or_set_aside_comes_again(broker):
    topic = new_topic()
    transport = broker.connect(topic)
    if broker.transport != "kafka":  # a topic comes there with its first message
        transport.check()
    too_long = b"x" * (MAX_MESSAGE_BYTES + 1)
    put(transport, topic, b"one", b"two", b"three", too_long)
    received = wait_for(transport, 4)
    assert [first.value for first in received] == [b"one", b"two", b"three", too_long]
    assert {(first.topic, first.key) for first in received} == {(topic, b"video")}
    assert len({first.coordinates for first in received}) == 4
    first, two, three, four = received
    transport.acknowledge([two])
    assert list(transport.receive(0, 100)) == [first, three, four]
    assert list(transport.receive(0, 1)) == [first]

    # A poison message does not keep the others, and can be sent again; one that is too long cannot.
    transport.set_aside(first, "no JSON")
    transport.set_aside(four, "too long")
    assert list(transport.receive(0, 100)) == [three]
    assert transport.send_again(10) == 1
    assert transport.send_again(10) == 0
    three, again = wait_for(transport, 2)
    assert (again.value, again.key) == (b"one", b"video")
    assert again.coordinates != first.coordinates

    # Another process goes on where this one ended; Kafka gives it what lies in between, too.
    transport.close()
    later = broker.connect(topic)
    remaining = wait_for(later, 3 if broker.transport == "kafka" else 2)
    assert {first.coordinates for first in remaining} >= {three.coordinates, again.coordinates}


@pytest.fixture
def patient(broker):
    """Groups of the mock cluster take seconds for each change."""
    if broker.transport == "kafka" and not LONG:
        pytest.skip("in long runs only")


def test_what_a_process_that_died_had_comes_to_another(broker, patient):
    topic = new_topic()
    transport = broker.connect(topic)
    put(transport, topic, b"one", b"two")
    with reading(**how(broker, topic, acknowledges=False)) as reader:
        until(reader, 1)
        reader.end(signal.SIGKILL)
    assert {first.value for first in wait_for(transport, 2)} == {b"one", b"two"}


def test_processes_share_a_topic_and_each_may_go(broker, patient):
    topic = new_topic()
    transport = broker.connect(topic)
    expected = [b"%d" % number for number in range(60)]
    put(transport, topic, *expected[:20])
    with reading(**how(broker, topic)) as first:
        until(first, 20)
        with reading(**how(broker, topic)) as second:
            put(transport, topic, *expected[20:40])
            until_both(first, second, 40)
            first.end(signal.SIGTERM)
            put(transport, topic, *expected[40:])
            until_both(first, second, 60)
            second.end(signal.SIGTERM)
            assert second.lines
            assert sorted(first.lines + second.lines) == sorted(map(bytes.decode, expected))


def until_both(first: Reader, second: Reader, count: int) -> None:
    limit = time.monotonic() + WAIT_SECONDS
    while len(first.lines) + len(second.lines) < count:
        assert time.monotonic() < limit, (first.lines, second.lines)
        time.sleep(0.02)


def test_whether_an_answer_was_sent_is_known(broker):
    topic = new_topic("update_transcribe")
    transport = broker.connect(topic)
    answer = Answer(topic, "video", b"{}", "request 1")
    before = transport.mark(topic)
    transport.send(answer)
    transport.send(Answer(topic, "video", b"{}", "request 2"))
    assert transport.was_sent(answer, before) is True
    other = Answer(topic, "video", b"{}", "request 3")
    assert transport.was_sent(other, before) is False
    if broker.transport == "kafka":
        assert transport.was_sent(answer, transport.mark(topic)) is False
        assert transport.was_sent(answer, None) is None


def test_no_more_are_given_than_may_be_held(broker, patient):
    topic = new_topic()
    transport = broker.connect(topic)
    put(transport, topic, *(b"%d" % number for number in range(MAX_UNACKNOWLEDGED + 1)))
    first = wait_for(transport, MAX_UNACKNOWLEDGED)
    assert len(transport.receive(0.2, 1000)) == MAX_UNACKNOWLEDGED
    transport.acknowledge(first[1:])
    assert {item.value for item in wait_for(transport, 2)} == {b"0", b"%d" % MAX_UNACKNOWLEDGED}


def test_an_answer_that_is_too_long_is_refused(broker):
    topic = new_topic()
    transport = broker.connect(topic)
    with pytest.raises(AnswerTooLargeError, match="8388609 bytes"):
        transport.send(Answer(topic, "video", b"x" * (MAX_ANSWER_BYTES + 1), "long"))


def test_a_broker_that_hangs_is_an_outage_and_it_goes_on(broker, monkeypatch):
    topic = new_topic()
    transport = broker.connect(topic)
    put(transport, topic, b"before")
    wait_for(transport, 1)
    transport.close()
    broker.hang()
    with monkeypatch.context() as patience:
        for module in (base, kafka, redis_transport):
            patience.setattr(module, "ANSWER_SECONDS", 0.5)
        with pytest.raises(TransportError) as raised:
            put(transport, topic, b"lost")
    transport.close()  # this client is the impatient one
    assert raised.value.is_outage
    assert "is away" in str(raised.value)
    broker.go_on()
    put(transport, topic, b"after")
    limit = time.monotonic() + WAIT_SECONDS
    values: set[bytes] = set()
    while not values >= {b"before", b"after"}:
        assert time.monotonic() < limit, values
        values = {first.value for first in transport.receive(0.2, 10)}


def test_a_wrong_password_is_told_without_it(broker):
    if broker.with_wrong_password is None:
        pytest.skip("the mock cluster knows no credentials")
    transport = connect(
        broker.transport, broker.with_wrong_password, topics=["Transcribe"], group="auteur"
    )
    with pytest.raises(TransportError, match="refuses the user or password") as raised:
        transport.check()
    assert not raised.value.is_outage
    assert "another-password" not in str(raised.value)
    assert "another-password" not in repr(vars(transport))


def test_the_example_platform_exchanges_messages_with_us(broker):
    transport = connect(
        broker.transport, broker.connection, topics=["Transcribe", "Compress"], group="auteur"
    )
    broker.open.append(transport)
    command = example(broker, "lesson-1=https://example.com/a=b.mp4")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as platform:
        try:
            wait_for_topics(transport)
            request_data = wait_for(transport, 2)
            for one, topic in zip(
                request_data, ("update_transcribe", "compress_failed"), strict=True
            ):
                assert one.key == b"lesson-1"
                assert json.loads(one.value) == {
                    "video_id": "lesson-1",
                    "video_url": "https://example.com/a=b.mp4",
                    "metadata": {"title": "lesson-1"},
                }
                transport.send(Answer(topic, "lesson-1", b"an answer", topic))
            transport.acknowledge(request_data)
            assert platform.wait(WAIT_SECONDS) == 0
            assert platform.stdout is not None
            heard = [json.loads(line) for line in platform.stdout]
        finally:
            platform.kill()
    expected = {"video_id": "lesson-1", "value": "an answer"}
    assert sorted(heard, key=lambda one: str(one["topic"])) == [
        {"topic": "compress_failed", **expected},
        {"topic": "update_transcribe", **expected},
    ]
