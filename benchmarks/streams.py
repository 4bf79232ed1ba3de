"""Measure how many events per second are published, beside bare clients with the same bytes.

The backlog consists of whole jobs: requested, started, completed, with parameters and results. The
publisher reads the log and the jobs, encodes two records for each event, writes them, and moves its
cursor after each batch. The bare client has all bytes in memory and only writes. Kafka is
librdkafka's mock cluster in a separate process.
"""

import os
from collections.abc import Mapping

import psycopg

from benchmarks import report, stack
from jobs.states import JobStatus
from tests.jobs.integrations.streams import mock_cluster

EVENTS = 300 * (int(os.environ.get("BENCHMARK_EVENTS", "100000")) // 300)
"""The number of events: whole jobs of each user."""
USERS = 100
PER_JOB = 3

MAKE_JOBS = """
INSERT INTO jobs (user_id, type, gpu_class, rank, media_ids, credits_cost, price_version,
                  input_params, output_data, status, completed_at, start_deadline_at, wake_at)
SELECT id, 'transcription', 'A10G', 0, '{}', 5, 'v',
       jsonb_build_object('media_id', gen_random_uuid(), 'language', 'en'),
       jsonb_build_object('result_url', 'https://example.com/' || gen_random_uuid(),
                          'segments_count', 120, 'language', 'en'),
       %s, now(), '2100-01-01', NULL
FROM users, generate_series(1, %s)"""
FILL = """
INSERT INTO job_events (job_id, user_id, type, data)
SELECT jobs.id, user_id, happened.type, '{}'
FROM jobs, (VALUES (1, 'requested'), (2, 'started'), (3, 'completed')) AS happened (place, type)
ORDER BY jobs.id, happened.place"""
NUMBER = """
from jobs.events.numbering import number_events
number_events()
while number_events():
    pass
"""
PUBLISH = """
import time
from jobs.events import log
from jobs.models import EventCursor
from jobs.integrations.streams import sinks
from jobs.integrations.streams.publisher import Publisher
EventCursor.objects.filter(name="streams").delete()
publisher, last = Publisher(sinks.create_sink()), log.get_last_position()
began = time.perf_counter()
while publisher.position != last:
    publisher.publish()
print(last / (time.perf_counter() - began))
"""
BARE_REDIS = """
import time
import redis
from django.conf import settings
from jobs.integrations.streams.names import STREAMS
from jobs.integrations.streams.sinks.redis import get_key
client = redis.Redis.from_url(settings.STREAMS_REDIS_URL)
records = [(name, fields) for name in STREAMS for _, fields in client.xrange(get_key(name))]
began = time.perf_counter()
for start in range(0, len(records), 2000):
    with client.pipeline(transaction=False) as batch:
        for name, fields in records[start:start + 2000]:
            batch.xadd("bare:" + name, fields)
        batch.execute()
print(len(records), time.perf_counter() - began)
"""
BARE_KAFKA = """
import time
import redis
from confluent_kafka import Producer
from django.conf import settings
from jobs.integrations.streams.names import STREAMS
from jobs.integrations.streams.sinks.redis import get_key
client = redis.Redis.from_url(settings.STREAMS_REDIS_URL)
records = [(name, fields) for name in STREAMS for _, fields in client.xrange(get_key(name))]
producer = Producer({"bootstrap.servers": ",".join(settings.KAFKA_BROKERS), "acks": "all",
                     "enable.idempotence": True, "linger.ms": 5})
began = time.perf_counter()
for start in range(0, len(records), 2000):
    for name, fields in records[start:start + 2000]:
        producer.produce("bare." + name, key=fields[b"key"], value=fields[b"value"])
    assert producer.flush(60) == 0
print(len(records), time.perf_counter() - began)
"""


def run(settings: Mapping[str, str], script: str) -> list[float]:
    """Return the figures that a script prints."""
    return [float(word) for word in shell(settings, script).split()]


def shell(settings: Mapping[str, str], script: str) -> str:
    return stack.run_manage(settings, "shell", "--verbosity", "0", "-c", script)


def bare(settings: Mapping[str, str], script: str) -> float:
    """Return the events per second whose records the bare client writes."""
    records, seconds = run(settings, script)
    assert records >= EVENTS, "a stream was trimmed"
    return EVENTS / seconds


def main() -> None:
    with stack.run_stores(without=("mongodb",)) as (_, values), mock_cluster.running() as kafka:
        settings = stack.settings(
            values,
            STREAMS_REDIS_LENGTH=str(2 * EVENTS),
            KAFKA_BROKERS=",".join(kafka.addresses),
            LOG_LEVEL="WARNING",
        )
        stack.run_manage(settings, "migrate", "--noinput", "--verbosity", "0")
        stack.make_users(settings, users=USERS, credits=1)
        with psycopg.connect(values["DATABASE_URL"], autocommit=True) as database:
            database.execute(MAKE_JOBS, [JobStatus.COMPLETED.value, EVENTS // PER_JOB // USERS])
            database.execute(FILL)
        shell(settings, NUMBER)
        with psycopg.connect(values["DATABASE_URL"], autocommit=True) as database:
            database.execute("ANALYZE")
        (to_redis,) = run(settings, PUBLISH)
        bare_redis = bare(settings, BARE_REDIS)
        (to_kafka,) = run({**settings, "STREAMS_SINK": "kafka"}, PUBLISH)
        bare_kafka = bare(settings, BARE_KAFKA)
    report.show(
        benchmark="streams",
        title="Streams",
        columns=("what", "events/s"),
        rows=(
            ("published to Redis", to_redis),
            ("the same bytes by redis-py, in memory before", bare_redis),
            ("published to Kafka (mock cluster)", to_kafka),
            ("the same bytes by confluent-kafka, in memory before", bare_kafka),
        ),
        ours=min(to_redis, to_kafka),
        baselines={"redis-py": bare_redis, "confluent-kafka": bare_kafka},
        kafka=round(to_kafka, 1),
        redis=round(to_redis, 1),
    )


if __name__ == "__main__":
    main()
