"""Webhooks as a user's server has them: all events, through a kill of whoever sends them."""

import pytest
from standardwebhooks import Webhook

from jobs.events import chain
from tests.jobs.integrations.webhooks.receiver import Receiver
from tests.journeys.recordings import BROKEN
from tests.waiting import until

pytestmark = pytest.mark.xdist_group("stack")

DONE_WITHIN = 90.0


def test_a_receiver_ends_with_the_hash_of_the_server(stack, person, project_id):
    media_id = person.media_of(project_id, BROKEN)
    with Receiver() as receiver:
        endpoint = person.post("/webhooks", {"url": receiver.url("/events")})
        secret = person.get("/webhooks/callback-secret")["secret"]
        job = {"media_id": media_id, "callback_url": receiver.url("/done")}
        job_ids = [person.post("/jobs/transcription", job)["job_id"] for _ in range(2)]
        until(lambda: receiver.received, DONE_WITHIN)
        stack.process("webhooks").kill()
        for job_id in job_ids:
            person.wait_for(job_id, DONE_WITHIN)

        def events() -> dict[int, dict]:
            to_all = [first for first in list(receiver.received) if first.path == "/events"]
            verified = [
                Webhook(endpoint["secret"]).verify(first.body, first.headers) for first in to_all
            ]
            return {event["seq"]: event for event in verified}

        def ends() -> set[str]:
            messages = [first for first in list(receiver.received) if first.path == "/done"]
            verified = [Webhook(secret).verify(first.body, first.headers) for first in messages]
            return {event["data"]["job_id"] for event in verified}

        until(lambda: ends() == set(job_ids), DONE_WITHIN)
        head = until(lambda: _head_of_all(person, events()), DONE_WITHIN)
    hash_ = chain.ZERO_HASH
    for _, event in sorted(events().items()):
        messages = {name: event[name] for name in ("seq", "type", "timestamp", "data")}
        hash_ = chain.compute_hash(hash_, **messages)
        assert event["hash"] == hash_.hex()
    assert hash_.hex() == head["hash"]


def _head_of_all(person, events):
    """The log's head, once the receiver has everything."""
    head = person.get("/events/head")
    return head if set(events) == set(range(1, head["seq"] + 1)) else None
