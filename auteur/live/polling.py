"""Long polls: wait until there is something to say, then have the API's own view say it."""

import asyncio
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID

from django.http.request import HttpHeaders

from accounts import tokens
from accounts.api_keys import keys
from auteur.api.problems import DATABASE_OUTAGES, Problem
from auteur.live.hub import Hub
from auteur.live.messages import Entry
from auteur.live.streaming import until_gone
from auteur.live.threads import Threads
from auteur.server.gateway import Environ
from auteur.server.serving import address_of
from jobs import queries
from jobs.events.log import MAX_WAIT_SECONDS, list_events

UNANSWERED: tuple[type[Exception], ...] = (Problem, *DATABASE_OUTAGES)
"""What the API has its own answer to."""
NOT_ASKED_WELL: tuple[type[Exception], ...] = (ValueError, *UNANSWERED)


@dataclass(frozen=True)
class Poll:
    """What a client waits for."""

    user_id: UUID
    after: int | None
    job_id: UUID | None
    seconds: int
    api_key_id: UUID | None = None
    """By which it came, if it did: revoked, it ends the waiting."""


def poll_of(environ: Environ, job_id: UUID | None) -> Poll | None:
    """What to wait for; None where the API has its answer at once, be it a refusal.

    May ask the provider for its keys, so not for the event loop.
    """
    given = {name: values[-1] for name, values in parse_qs(environ["QUERY_STRING"]).items()}
    scheme, _, token = HttpHeaders(environ).get("Authorization", "").partition(" ")
    try:
        seconds = int(given.get("wait", "0"))
        after = int(given["after"]) if "after" in given else None
        if scheme.lower() != "bearer" or not 0 < seconds <= MAX_WAIT_SECONDS:
            return None
        user_id, api_key_id = _bearer_of(token.strip(), address=address_of(environ))
    except NOT_ASKED_WELL:
        return None
    return Poll(user_id, after, job_id, seconds, api_key_id)


def _bearer_of(bearer: str, *, address: str) -> tuple[UUID, UUID | None]:
    """Whose it is, and which key; the API asks again. Raises a ``Problem``."""
    if not keys.is_api_key(bearer.encode()):
        return tokens.verify_token(bearer).user_id, None
    user, key = keys.verify_key(keys.hash_key(bearer.encode()), address=address)
    return user.pk, key.id


async def wait(poll: Poll, hub: Hub, threads: Threads, receive: Any) -> bool:
    """Wait for what the poll is about, at most its time; whether the client is still there."""
    waiting = asyncio.create_task(_wait(poll, hub, threads))
    leaving = asyncio.create_task(until_gone(receive))
    try:
        await asyncio.wait((waiting, leaving), return_when=asyncio.FIRST_COMPLETED)
        if waiting.done():
            waiting.result()
        return not leaving.done()
    finally:
        waiting.cancel()
        leaving.cancel()


async def _wait(poll: Poll, hub: Hub, threads: Threads) -> None:
    with hub.subscription(poll.user_id, poll.api_key_id) as subscription:
        try:
            if not await threads.call(_is_silent, poll=poll):
                return
        except UNANSWERED:
            return
        deadline = asyncio.get_running_loop().time() + poll.seconds
        while (left := deadline - asyncio.get_running_loop().time()) > 0:
            item = await subscription.next(left)
            if subscription.is_closed or subscription.is_revoked or subscription.is_reset:
                return
            if isinstance(item, Entry) and _is_news(item, poll):
                return


def _is_news(entry: Entry, poll: Poll) -> bool:
    return entry.seq > (poll.after or 0) and poll.job_id in (None, entry.job_id)


def _is_silent(poll: Poll) -> bool:
    """Whether there is nothing to tell yet; raises a ``Problem`` where there never will be."""
    if poll.job_id is not None:
        queries.get_job(user_id=poll.user_id, job_id=poll.job_id)
    return not list_events(user_id=poll.user_id, after=poll.after, limit=1, job_id=poll.job_id)
