"""A course platform over Redis: has videos transcribed and compressed, prints what it hears.

python over_redis.py URL [VIDEO_ID=VIDEO_URL ...] (needs redis). With videos it ends once as many
answers came, whosever; without, it only listens.
"""

import json
import sys

import redis

ASKED = ("Transcribe", "Compress")
ANSWERS = ("update_transcribe", "finish_compress", "transcribe_failed", "compress_failed")
GROUP = NAME = "codeendelea-transcription-consumer"

url, *videos = sys.argv[1:]
client = redis.Redis.from_url(url, decode_responses=True, protocol=2)

for topic in ANSWERS:
    try:
        client.xgroup_create(topic, GROUP, id="0", mkstream=True)
    except redis.ResponseError as exc:
        if "BUSYGROUP" not in str(exc):
            raise

for video_id, _, video_url in (video.partition("=") for video in videos):
    request = {"video_id": video_id, "video_url": video_url, "metadata": {"title": video_id}}
    for topic in ASKED:
        client.xadd(topic, {"key": video_id, "value": json.dumps(request)})

waiting = len(ASKED) * len(videos)
after = "0"  # first what this consumer was given before and did not acknowledge
while waiting > 0 or not videos:
    found = client.xreadgroup(GROUP, NAME, dict.fromkeys(ANSWERS, after), count=10, block=1000)
    for topic, entries in found or []:
        for entry_id, fields in entries:
            if fields:
                heard = {"topic": topic, "video_id": fields["key"], "value": fields["value"]}
                print(json.dumps(heard), flush=True)
                waiting -= 1
            client.xack(topic, GROUP, entry_id)
    if after == "0" and not any(entries for _, entries in found or []):
        after = ">"
client.close()
