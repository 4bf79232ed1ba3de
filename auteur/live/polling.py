"""Long polls: wait for events, then let the API's own view answer."""

import asyncio
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID

from django.http.request import HttpHeaders

from accounts import tokens
from accounts.api_keys import keys
from auteur.core.api.problems import DATABASE_OUTAGES, Problem
from auteur.live.hub import Hub
from auteur.live.messages import Entry
from auteur.live.streaming import wait_for_disconnect
from auteur.live.threads import Threads
from auteur.server.gateway import Environ
from auteur.server.serving import get_client_address
from jobs import queries
from jobs.events.log import MAX_WAIT_SECONDS, list_events

API_ERRORS: tuple[type[Exception], ...] = (Problem, *DATABASE_OUTAGES)
"""Errors that the API answers itself."""
POLL_ERRORS: tuple[type[Exception], ...] = (ValueError, *API_ERRORS)


@dataclass(frozen=True)
class Poll:
    """A client's request to wait for events."""

    user_id: UUID
    after: int | None
    job_id: UUID | None
    seconds: int
    api_key_id: UUID | None = None
    """The API key of the client, if it has one. When the key is revoked, the wait ends."""


def parse_poll(environ: Environ, job_id: UUID | None) -> Poll | None:
    """Return what a request waits for, or None if the API must answer it at once.

    It may fetch keys from the identity provider, so do not call it in the event loop.
    """
    parameters = {name: values[-1] for name, values in parse_qs(environ["QUERY_STRING"]).items()}
    scheme, _, token = HttpHeaders(environ).get("Authorization", "").partition(" ")
    try:
        seconds = int(parameters.get("wait", "0"))
        after = int(parameters["after"]) if "after" in parameters else None
        if scheme.lower() != "bearer" or not 0 < seconds <= MAX_WAIT_SECONDS:
            return None
        user_id, api_key_id = _verify_bearer(token.strip(), address=get_client_address(environ))
    except POLL_ERRORS:
        return None
    return Poll(user_id, after, job_id, seconds, api_key_id)


def _verify_bearer(bearer: str, *, address: str) -> tuple[UUID, UUID | None]:
    """Return the user's id and the API key's. Raise a ``Problem`` if the bearer is invalid.

    The API verifies the bearer again.
    """
    if not keys.is_api_key(bearer.encode()):
        return tokens.verify_token(bearer).user_id, None
    user, key = keys.verify_key(keys.hash_key(bearer.encode()), address=address)
    return user.pk, key.id


async def wait_for_events(poll: Poll, hub: Hub, threads: Threads, receive: Any) -> bool:
    """Wait for the poll's events, at most its time. Return True if the client is still there."""
    wait_task = asyncio.create_task(_wait_for_event(poll, hub, threads))
    disconnect_task = asyncio.create_task(wait_for_disconnect(receive))
    try:
        await asyncio.wait((wait_task, disconnect_task), return_when=asyncio.FIRST_COMPLETED)
        if wait_task.done():
            wait_task.result()
        return not disconnect_task.done()
    finally:
        wait_task.cancel()
        disconnect_task.cancel()


async def _wait_for_event(poll: Poll, hub: Hub, threads: Threads) -> None:
    with hub.subscribe(poll.user_id, poll.api_key_id) as subscription:
        try:
            if not await threads.call(_has_no_event, poll=poll):
                return
        except API_ERRORS:
            return
        deadline = asyncio.get_running_loop().time() + poll.seconds
        while (remaining := deadline - asyncio.get_running_loop().time()) > 0:
            item = await subscription.next(remaining)
            if subscription.is_closed or subscription.is_revoked or subscription.is_reset:
                return
            if isinstance(item, Entry) and _is_relevant(item, poll):
                return


def _is_relevant(entry: Entry, poll: Poll) -> bool:
    return entry.seq > (poll.after or 0) and poll.job_id in (None, entry.job_id)


def _has_no_event(poll: Poll) -> bool:
    """Return True if there is no event yet. Raise a ``Problem`` if there never will be one."""
    if poll.job_id is not None:
        queries.get_job(user_id=poll.user_id, job_id=poll.job_id)
    return not list_events(user_id=poll.user_id, after=poll.after, limit=1, job_id=poll.job_id)
