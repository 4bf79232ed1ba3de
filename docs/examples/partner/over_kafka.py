"""A course platform over Kafka: has videos transcribed and compressed, prints what it hears.

python over_kafka.py BROKERS [VIDEO_ID=VIDEO_URL ...] (needs confluent-kafka). With videos it ends
once as many answers came, whosever; without, it only listens. KAFKA_USERNAME, KAFKA_PASSWORD and
KAFKA_SSL are read from the environment.
"""

import json
import os
import sys
import time

from confluent_kafka import Consumer, Producer

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
producer = Producer(settings | {"enable.idempotence": True})

# A group that is joined before its topics are there is made anew for each that comes.
limit = time.monotonic() + 30
for topic in ASKED + ANSWERS:  # brokers that make topics by themselves do so when they are asked
    while producer.list_topics(topic, timeout=10).topics[topic].error:
        if time.monotonic() > limit:
            sys.exit(f"Kafka has no topic {topic}: make it")
        time.sleep(0.2)

group = {"group.id": "codeendelea-transcription-consumer", "auto.offset.reset": "earliest"}
consumer = Consumer(settings | group | {"enable.auto.commit": False})
consumer.subscribe(list(ANSWERS))

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
    if message.error():  # the client connects again by itself
        print(f"Kafka: {message.error()}", file=sys.stderr)
        continue
    key, value = message.key().decode(), message.value().decode()
    print(json.dumps({"topic": message.topic(), "video_id": key, "value": value}), flush=True)
    consumer.commit(message, asynchronous=False)
    waiting -= 1
consumer.close()
