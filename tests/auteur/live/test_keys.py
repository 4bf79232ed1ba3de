"""API keys at `live`: whoever may read listens, from where it may, until the key is revoked."""

import asyncio
import math
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, cast

import pytest
from django.utils import timezone

from accounts.api_keys import keys
from accounts.api_keys.models import ApiKey
from accounts.models import User
from auteur.core.api.requests import KeyAuth
from auteur.core.api.scopes import Scope
from auteur.live import followers
from auteur.live.followers import Follower, FollowRequest, TokenExpiredError
from auteur.live.hub import Hub, Subscription
from auteur.live.messages import Entry
from auteur.live.openings import LONGEST, get_end
from auteur.live.threads import Threads
from jobs.event_contract import Wire
from jobs.models import Job
from tests.auteur.live.running import WAIT_SECONDS, Live, say


def made(user: User, *scopes: Scope, **fields: object) -> keys.NewKey:
    return keys.create_key(user_id=user.pk, name="Script", scopes=scopes, **fields)


def bearer(key: keys.NewKey) -> dict[str, str]:
    return {"Authorization": f"Bearer {key.key}"}


def test_a_stream_ends_when_its_key_is_revoked(live: Live, user: User, job: Job) -> None:
    key, other = made(user, Scope.READ), made(user, Scope.READ)
    with live.stream("/events", user, **bearer(key)) as stream:
        assert next(stream).event == "hello"
        say(job, "requested")
        assert next(stream).event == "job.requested"
        with live.stream("/events", user, **bearer(other)) as another:
            next(another)
            keys.revoke_key(user_id=user.pk, key_id=key.row.pk)
            assert [item.event for item in stream] == ["token_expired"]
            say(job, "started")
            assert next(another).event == "job.started"
    status, problem = live.ask("/events", user, **bearer(key))
    assert (status, problem["code"]) == (401, "invalid_token")


def test_a_socket_takes_a_key_as_it_takes_a_token(live: Live, user: User, job: Job) -> None:
    key = made(user, Scope.READ)
    with live.socket(subprotocols=["auteur.v1", f"bearer.{key.key}"]) as socket:
        assert '"hello"' in str(socket.recv(WAIT_SECONDS))


def test_a_poll_waits_for_whoever_has_a_good_key(live: Live, user: User, job: Job) -> None:
    key = made(user, Scope.READ)
    say(job, "requested")
    status, page = live.ask("/events?after=0&wait=5", user, **bearer(key))
    assert (status, len(page["events"])) == (200, 1)
    elsewhere = made(user, Scope.READ, allowed_addresses=["203.0.113.0/24"])
    status, problem = live.ask("/events?wait=30", user, **bearer(elsewhere))
    assert (status, problem["code"]) == (401, "invalid_token")
    assert ApiKey.objects.get(pk=elsewhere.row.pk).last_used_at is None


def test_a_poll_ends_when_its_key_is_revoked(live: Live, user: User) -> None:
    key = made(user, Scope.READ)
    with ThreadPoolExecutor() as pool:
        asked = pool.submit(live.ask, "/events?wait=30", user, **bearer(key))
        time.sleep(0.5)
        assert not asked.done()
        keys.revoke_key(user_id=user.pk, key_id=key.row.pk)
        status, problem = asked.result(WAIT_SECONDS)
    assert (status, problem["code"]) == (401, "invalid_token")


class AtOnce:
    """Threads that are none."""

    async def call(self, work: Callable[..., Any], **values: Any) -> Any:
        return work(**values)


class HubOfOne:
    """With one subscription, which is known."""

    def __init__(self) -> None:
        self.one = Subscription()

    @contextmanager
    def subscribe(self, *_: object) -> Iterator[Subscription]:
        yield self.one


def test_what_stands_in_the_log_is_told_until_the_key_is_revoked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    page = [
        Entry(uuid.uuid4(), cast(Wire, {"seq": seq, "type": "job.requested"})) for seq in (1, 2)
    ]
    monkeypatch.setattr(followers, "read_page", lambda **_: (2, page))
    hub = HubOfOne()
    result: list[Any] = []
    follower = Follower(
        cast(Hub, hub), cast(Threads, AtOnce()), FollowRequest(uuid.uuid4(), math.inf, None)
    )

    async def follow() -> None:
        async for entry in follower.follow():
            result.append(entry)
            hub.one.revoke()

    with pytest.raises(TokenExpiredError):
        asyncio.run(follow())
    assert result == page[:1]


def test_without_the_scope_nothing_is_told(live: Live, user: User) -> None:
    key = made(user, Scope.JOBS, Scope.MEDIA, Scope.BILLING)
    for headers in ({}, {"Accept": "text/event-stream"}):
        status, problem = live.ask("/events", user, **bearer(key), **headers)
        assert (status, problem["code"]) == (403, "scope_required")


def test_a_stream_by_a_key_is_told_its_end() -> None:
    now = timezone.now()
    end = (now + timedelta(minutes=1)).timestamp()
    for expires_at, expected in (
        (None, (now + LONGEST).timestamp()),
        (end, end),
        ((now + 2 * LONGEST).timestamp(), (now + LONGEST).timestamp()),
    ):
        key = KeyAuth(uuid.uuid4(), frozenset(), expires_at, "Script")
        assert abs(get_end(key) - expected) < 60
