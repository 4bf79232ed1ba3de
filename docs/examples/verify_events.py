"""Follows your events and recomputes their hashes, to prove that nothing was missed.

python verify_events.py https://api.example.com TOKEN [SEQ HASH], where you stopped the last time
"""

import hashlib
import json
import sys
import urllib.request

EPOCH = 10**8  # after a restore, numbers begin anew above a multiple of this


def get(base, token, path):
    request = urllib.request.Request(base + path, headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def next_hash(previous, event):
    content = [previous, event["seq"], event["type"], event["timestamp"], event["data"]]
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def follow(base, token, seq=0, known="0" * 64):
    head = get(base, token, "/events/head")
    while seq < head["seq"]:
        for event in get(base, token, f"/events?after={seq}")["events"]:
            is_next = event["seq"] == seq + 1 or event["seq"] % EPOCH == 1
            assert is_next, f"event {seq + 1} is missing"
            assert event["hash"] == next_hash(known, event), f"event {seq + 1} was changed"
            seq, known = event["seq"], event["hash"]
            if seq == head["seq"]:
                assert known == head["hash"], "this is not the log that the head is of"
    return seq, known


if __name__ == "__main__":
    base, token, *begin = sys.argv[1:]
    start = (int(begin[0]), begin[1]) if begin else ()
    print(*follow(base, token, *start))
