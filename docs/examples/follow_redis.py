"""Prints each record of a stream in Redis once; SCHEMAS is what `manage.py export_schemas` wrote.

python follow_redis.py redis://localhost:6379 jobs.completed SCHEMAS (needs redis and fastavro)
"""

import io
import pathlib
import sys

import redis
from fastavro import schemaless_reader
from fastavro.schema import fingerprint, load_schema, to_parsing_canonical_form

url, stream, folder = sys.argv[1:]
loaded = [load_schema(path) for path in pathlib.Path(folder).rglob("*.avsc")]
schemas = {fingerprint(to_parsing_canonical_form(one), "CRC-64-AVRO"): one for one in loaded}
client, key, last, seen = redis.Redis.from_url(url), f"auteur:streams:{stream}", "0", {}
while True:
    for _, entries in client.xread({key: last}, block=1000):
        for entry_id, entry in entries:
            last = entry_id
            value = entry[b"value"]  # C3 01, the fingerprint of the schema, the record
            record = schemaless_reader(io.BytesIO(value[10:]), schemas[value[2:10].hex()])
            user, seq = record["user_id"], record.get("seq")
            if seq is None or seq > seen.get(user, 0):  # else it came again, after a crash
                seen[user] = seq or seen.get(user, 0)
                print(record, flush=True)
