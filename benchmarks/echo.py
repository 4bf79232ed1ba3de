"""Run calls that do nothing and report by a signed HTTP callback, like a remote GPU.

`EchoBackend` runs in the step workers and passes calls on through a Redis list. ``python -m
benchmarks.echo`` answers them with little processor time, because the cost of a GPU is not ours.
"""

import http.client
import json
import os
import threading
import uuid
from collections.abc import Collection, Mapping, Sequence
from urllib.parse import urlsplit

import redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry

from gpu_tasks.runtime.callback import build_signed_headers, derive_attempt_key
from jobs.calls.backends.base import Call, CallState, CallStatus

CALLS = "benchmark:calls"
THREADS = 3
AT_ONCE = 50
REDIS_AGAIN_SECONDS = 0.1
FOR_EVER = -1


class EchoBackend:
    """A backend that passes calls on to the echo process."""

    poll_seconds = 30.0

    def __init__(self) -> None:
        self._redis = redis.Redis.from_url(os.environ["REDIS_URL"])

    def spawn(self, calls: Sequence[Call]) -> dict[uuid.UUID, str]:
        started = {call.attempt_id: uuid.uuid4().hex for call in calls}
        bodies = [
            json.dumps([str(c.payload.job_id), str(c.attempt_id), started[c.attempt_id]])
            for c in calls
        ]
        self._redis.lpush(CALLS, *bodies)
        return started

    def poll(self, call_ids: Collection[str]) -> dict[str, CallStatus]:
        return {call_id: CallStatus(CallState.RUNNING) for call_id in call_ids}

    def stop(self, call_ids: Collection[str]) -> None:
        pass


def answer_calls() -> None:
    """Read calls from the list and send a callback for each, forever."""
    patience = Retry(ConstantBackoff(REDIS_AGAIN_SECONDS), FOR_EVER)
    queue = redis.Redis.from_url(os.environ["REDIS_URL"], retry=patience)
    address = urlsplit(os.environ["GPU_CALLBACK_URL"])
    secret = os.environ["GPU_CALLBACK_SECRET"]
    connection = http.client.HTTPConnection(address.hostname or "", address.port)
    while True:
        first = queue.brpop([CALLS], timeout=1)
        for raw in [first[1], *(queue.rpop(CALLS, AT_ONCE) or ())] if first else ():
            _call_back(connection, address.path, secret, json.loads(raw))


def _call_back(
    connection: http.client.HTTPConnection, path: str, secret: str, call: list[str]
) -> None:
    job_id, attempt_id, call_id = call
    outcome = {"result": {}, "engine": {"name": "echo", "model": "none"}, "seconds": 0.0}
    report = {
        "kind": "outcome",
        "job_id": job_id,
        "attempt_id": attempt_id,
        "call_id": call_id,
        "progress": 1.0,
        "outcome": outcome,
    }
    body = json.dumps(report).encode()
    key = derive_attempt_key(secret=secret, attempt_id=uuid.UUID(attempt_id))
    headers = build_signed_headers(key=key, attempt_id=uuid.UUID(attempt_id), body=body)
    status = _post(connection, path, body, headers)
    # An attempt that another has taken the place of is told so.
    if status not in (http.client.OK, http.client.CONFLICT):
        raise RuntimeError(f"the callback was answered with {status}")


def _post(
    connection: http.client.HTTPConnection, path: str, body: bytes, headers: Mapping[str, str]
) -> int:
    """Return the status of the answer; reconnect if the server has closed an idle connection."""
    try:
        connection.request("POST", path, body, headers)
        answer = connection.getresponse()
    except ConnectionError:
        connection.close()
        connection.request("POST", path, body, headers)
        answer = connection.getresponse()
    answer.read()
    return answer.status


if __name__ == "__main__":
    threads = [threading.Thread(target=answer_calls) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
