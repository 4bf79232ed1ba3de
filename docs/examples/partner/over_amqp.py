"""A course platform over RabbitMQ: has videos transcribed and compressed, prints what it hears.

python over_amqp.py URL [VIDEO_ID=VIDEO_URL ...] (needs kombu). With videos it ends once as many
answers came, whosever; without, it only listens. An answer may come twice, then with the same
message id.
"""

import json
import sys

from kombu import Connection, Consumer, Queue

ASKED = ("Transcribe", "Compress")
ANSWERS = ("update_transcribe", "finish_compress", "transcribe_failed", "compress_failed")

url, *videos = sys.argv[1:]
answers: dict[str, str] = {}  # by message id


def queue(name: str) -> Queue:
    """One that lasts, and that two nodes of three may lose."""
    return Queue(name, routing_key=name, durable=True, queue_arguments={"x-queue-type": "quorum"})


def hear(body: object, message) -> None:
    """Print an answer, unless it was here before."""
    topic, message_id = message.delivery_info["routing_key"], message.properties["message_id"]
    if message_id not in answers:
        answers[message_id] = bytes(message.body).decode()
        heard = {"topic": topic, "video_id": message.headers["key"], "value": answers[message_id]}
        print(json.dumps(heard), flush=True)
    message.ack()


with Connection(url, transport_options={"confirm_publish": True}) as connection:
    producer = connection.Producer()
    for video_id, _, video_url in (video.partition("=") for video in videos):
        request = {"video_id": video_id, "video_url": video_url, "metadata": {"title": video_id}}
        for topic in ASKED:
            producer.publish(
                json.dumps(request).encode(),
                routing_key=topic,
                declare=[queue(topic)],
                headers={"key": video_id},
                content_type="application/octet-stream",
                content_encoding="binary",
                delivery_mode=2,
                retry=True,  # a queue that is just being made takes nothing yet
            )
    queues = [queue(name) for name in ANSWERS]
    with Consumer(connection, queues, callbacks=[hear], accept=None, prefetch_count=10):
        while len(answers) < len(ASKED) * len(videos) or not videos:
            try:
                connection.drain_events(timeout=1)
            except TimeoutError:
                connection.heartbeat_check()
