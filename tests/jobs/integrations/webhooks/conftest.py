"""Receivers, endpoints, events, and a sender that works on the test's own connection."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from accounts.models import User
from auteur.core.net.callable_urls import build_policy
from jobs.events.numbering import number_events
from jobs.integrations.webhooks import claims, deliveries, endpoints, sending, verification
from jobs.integrations.webhooks.models import WebhookEndpoint
from jobs.models import Event, Job
from tests.jobs.integrations.webhooks.receiver import Receiver

HOLDER = "the test"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def make_endpoint(user: User, receiver: Receiver) -> Callable[..., WebhookEndpoint]:
    def make(
        owner: User = user, url: str | None = None, verified: bool = True, **given: Any
    ) -> WebhookEndpoint:
        values: dict[str, Any] = {"events": [], "description": "", "enabled": True, **given}
        endpoint = endpoints.create_endpoint(user_id=owner.pk, url=url or receiver.url(), **values)
        if verified:
            verification.mark_verified(endpoint_id=endpoint.pk, url=endpoint.url or "")
            endpoint.refresh_from_db()
        return endpoint

    return make


@pytest.fixture
def endpoint(make_endpoint: Callable[..., WebhookEndpoint]) -> WebhookEndpoint:
    return make_endpoint()


@pytest.fixture
def happen(db: None) -> Callable[..., None]:
    """Events of a job, numbered and handed out."""

    def happen(job: Job, *types: str) -> None:
        for name in types:
            Event.objects.create(job=job, user_id=job.user_id, type=name)
        number_events()
        number_events()  # the first may have made the cursor alone
        hand_out_all()

    return happen


def hand_out_all() -> None:
    deliveries.fan_out_events()  # as above
    while deliveries.fan_out_events():
        pass


def deliver(limit: int = 100) -> int:
    """What is due now, once; returns how many."""
    claimed = claims.claim(holder=HOLDER, limit=limit)
    claims.finish(asyncio.run(_send(claimed)), holder=HOLDER)
    return len(claimed)


async def _send(claimed: list[claims.ClaimedDelivery]) -> list[claims.DeliveryResult]:
    async with sending.create_session(build_policy()) as http:
        tries = [sending.try_delivery(http, build_policy(), first) for first in claimed]
        return list(zip(claimed, await asyncio.gather(*tries), strict=True))
