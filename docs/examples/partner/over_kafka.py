"""A course platform over Kafka: has videos transcribed and compressed, prints what it hears.

python over_kafka.py BROKERS [VIDEO_ID=VIDEO_URL ...] (needs confluent-kafka). With videos it ends
once all are answered; without, it only listens. KAFKA_USERNAME, KAFKA_PASSWORD and KAFKA_SSL are
read from the environment.
"""

import json
import os
import sys

from confluent_kafka import Consumer, KafkaError, Producer

ASKED = ("Transcribe", "Compress")
ANSWERS = ("update_transcribe", "finish_compress", "transcribe_failed", "compress_failed")

brokers, *videos = sys.argv[1:]
settings = {"bootstrap.servers": brokers, "client.id": "codeendelea-api-server"}
protocol = "SSL" if os.environ.get("KAFKA_SSL") == "true" else "PLAINTEXT"
if os.environ.get("KAFKA_USERNAME"):
    protocol = f"SASL_{protocol}"
    settings |= {
        "sasl.mechanism": os.environ.get("KAFKA_SASL_MECHANISM", "scram-sha-256").upper(),
        "sasl.username": os.environ["KAFKA_USERNAME"],
        "sasl.password": os.environ["KAFKA_PASSWORD"],
    }
settings["security.protocol"] = protocol

consumer = Consumer(
    settings
    | {
        "group.id": "codeendelea-transcription-consumer",
        "enable.auto.commit": False,
        "auto.offset.reset": "earliest",
        "allow.auto.create.topics": True,
        "topic.metadata.refresh.interval.ms": 2000,  # topics of answers come with the first
    }
)
consumer.subscribe(list(ANSWERS))

producer = Producer(settings | {"enable.idempotence": True})
for video_id, _, url in (video.partition("=") for video in videos):
    request = json.dumps({"video_id": video_id, "video_url": url, "metadata": {"title": video_id}})
    for topic in ASKED:
        producer.produce(topic, key=video_id, value=request)
if producer.flush(30):
    sys.exit("Kafka did not take all requests")

waiting = len(ASKED) * len(videos)
while waiting or not videos:
    message = consumer.poll(1.0)
    if message is None:
        continue
    if message.error():
        if message.error().code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
            sys.exit(f"Kafka: {message.error()}")
        continue
    key, value = message.key().decode(), message.value().decode()
    print(json.dumps({"topic": message.topic(), "video_id": key, "value": value}), flush=True)
    consumer.commit(message, asynchronous=False)
    waiting -= 1
consumer.close()
