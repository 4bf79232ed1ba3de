"""The reader of records tells what it missed: a check that could not fail would prove nothing."""

from io import BytesIO

import fastavro
import pytest
from confluent_kafka import Producer

from tests.chaos.records import HEADER_BYTES, differences, taken_of
from tests.chaos.sinks import KafkaRecords, Published
from tests.jobs.integrations.streams import mock_cluster
from tests.waiting import until

SCHEMA = fastavro.parse_schema(
    {
        "type": "record",
        "name": "Record",
        "fields": [{"name": "seq", "type": ["null", "long"], "default": None}],
    }
)


def record(seq: int | None) -> bytes:
    encoded = BytesIO(b"." * HEADER_BYTES)
    encoded.seek(HEADER_BYTES)
    fastavro.schemaless_writer(encoded, SCHEMA, {"seq": seq})
    return encoded.getvalue()


def taken(*seqs: int | None) -> list[int]:
    read: list[int] = []
    for seq in seqs:
        taken_of(record(seq), SCHEMA, read)
    return read


def test_repeats_and_what_has_no_number_are_dropped() -> None:
    assert taken(1, 2, 3, None, 1, 2, 3, 4) == [1, 2, 3, 4]
    assert differences({"jobs.failed": taken(1, 2, 1, 2, 3)}, {"jobs.failed": [1, 2, 3]}) == []


@pytest.mark.parametrize("seqs", [(1, 3), (2, 1, 3), (1, 2), ()])
def test_a_gap_another_order_and_an_end_too_early_are_seen(seqs: tuple[int, ...]) -> None:
    output = differences({"jobs.failed": taken(*seqs)}, {"jobs.failed": [1, 2, 3]})
    assert output == [f"jobs.failed: {taken(*seqs)} instead of [1, 2, 3]"]


def test_kafka_is_read_on_from_where_it_ends() -> None:
    with mock_cluster.running() as cluster:
        producer = Producer({"bootstrap.servers": ",".join(cluster.addresses)})
        producer.produce("jobs.tts", key="a", value="before")
        producer.flush(10)
        records = KafkaRecords(cluster.addresses, ["jobs.tts", "jobs.failed"])
        new = [Published("jobs.failed", "a", b"1"), Published("jobs.tts", "b", b"2")]
        for item in new:
            producer.produce(item.stream, key=item.key, value=item.value)
        producer.flush(10)
        results: list[Published] = []

        def has_come() -> bool:
            results.extend(records.read())
            return len(results) >= len(new)

        until(has_come, seconds=20)
        records.close()
    assert sorted(results) == new
