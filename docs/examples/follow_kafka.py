"""Prints each record of a topic once, its schema from a registry.

python follow_kafka.py localhost:9092 jobs.completed http://localhost:8081
(needs confluent-kafka[avro,schemaregistry])
"""

import sys

from confluent_kafka import Consumer
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext

brokers, topic, registry = sys.argv[1:]
decode = AvroDeserializer(SchemaRegistryClient({"url": registry}))
place = SerializationContext(topic, MessageField.VALUE)
options = {"bootstrap.servers": brokers, "group.id": "follow", "auto.offset.reset": "earliest"}
consumer, seen = Consumer(options), {}
consumer.subscribe([topic])
while True:
    message = consumer.poll(1)
    if message is None or message.error():
        continue
    record = decode(message.value(), place)
    user, seq = record["user_id"], record.get("seq")
    if seq is None or seq > seen.get(user, 0):  # else it came again, after a crash
        seen[user] = seq or seen.get(user, 0)
        print(record, flush=True)
