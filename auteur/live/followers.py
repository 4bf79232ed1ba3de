"""Follow the event log for one client: stored events first, then new ones, each once."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from auteur.core.api.problems import DATABASE_OUTAGES
from auteur.live.hub import Hub, Subscription
from auteur.live.messages import Entry, Progress, build_entry
from auteur.live.threads import Threads
from gpu_tasks.runtime.errors import AuteurError
from jobs.events import log

logger = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 15.0
"""After so much silence, the client gets a heartbeat."""
PAGE = 500
"""How many events one statement reads from the log."""
OUTAGE_PAUSE_SECONDS = 1.0


class TokenExpiredError(AuteurError):
    """The client's token or key has expired, or its user is no longer active."""


@dataclass(frozen=True)
class FollowRequest:
    """A client's authorized request to follow events."""

    user_id: UUID
    expires_at: float
    """When its token or key ends, in Unix seconds."""
    after: int | None
    """The last event that the client has, or None if it has none and needs all stored ones."""
    job_id: UUID | None = None
    """The one job to follow until its end, or None for all jobs."""
    api_key_id: UUID | None = None
    """The API key of the client, if it has one. When the key is revoked, the connection ends."""


def build_follow_request(opening: Mapping[str, Any], job_id: UUID | None = None) -> FollowRequest:
    """Return the request that the response of an opening authorizes (`auteur.live.openings`)."""
    key_id = opening["api_key_id"]
    return FollowRequest(
        UUID(opening["user_id"]),
        opening["expires_at"],
        opening["after"],
        job_id,
        UUID(key_id) if key_id else None,
    )


class Follower:
    """A reader of the log for one client."""

    def __init__(self, hub: Hub, threads: Threads, request: FollowRequest) -> None:
        self._hub = hub
        self._threads = threads
        self._request = request
        self._last_seq = request.after

    async def follow(self) -> AsyncGenerator[Entry | Progress | None, None]:
        """Yield events in order, progress between them, and None as a heartbeat.

        It ends with the job, or when this process stops. Raise ``TokenExpiredError`` and
        ``EventsRemovedProblem``.
        """
        request = self._request
        with self._hub.subscribe(request.user_id, request.api_key_id) as subscription:
            while not subscription.is_closed:
                self._check_token(subscription)
                async for entry in self._read_log(subscription):
                    yield entry
                    if self._is_over(entry):
                        return
                async for item in self._listen(subscription):
                    yield item
                    if self._is_over(item):
                        return

    async def _read_log(self, subscription: Subscription) -> AsyncIterator[Entry]:
        """Yield the events in the log that the client does not have."""
        while True:
            head, page = await self._get_page(subscription)
            for entry in page:
                self._check_token(subscription)
                self._last_seq = entry.seq
                if entry.is_end:
                    self._hub.note_end(entry.job_id)
                yield entry
            if len(page) < PAGE:
                self._last_seq = max(self._last_seq or 0, head)
                return

    async def _get_page(self, subscription: Subscription) -> tuple[int, list[Entry]]:
        while True:
            request = self._request
            self._check_token(subscription)
            try:
                return await self._threads.call(
                    read_page, user_id=request.user_id, after=self._last_seq, job_id=request.job_id
                )
            except log.FutureEventProblem as exc:  # A restore has lost the client's last event.
                raise log.EventsRemovedProblem(oldest=exc.extra["last"] + 1) from exc
            except DATABASE_OUTAGES as exc:
                logger.warning("a client waits for the log: %s", type(exc).__name__)
                await asyncio.sleep(OUTAGE_PAUSE_SECONDS)

    async def _listen(self, subscription: Subscription) -> AsyncIterator[Entry | Progress | None]:
        """Yield items of the hub. End if an event is missing, or the log was set back."""
        while not subscription.is_closed:
            remaining = self._request.expires_at - time.time()
            item = await subscription.next(min(HEARTBEAT_SECONDS, max(remaining, 0.0)))
            self._check_token(subscription)
            if subscription.is_reset:
                subscription.is_reset = False
                return
            if isinstance(item, Entry):
                last_seq = self._last_seq or 0
                if item.seq <= last_seq:
                    continue
                if item.seq > last_seq + 1:
                    return
                self._last_seq = item.seq
            if self._request.job_id in (None, getattr(item, "job_id", self._request.job_id)):
                yield item

    def _check_token(self, subscription: Subscription) -> None:
        if subscription.is_revoked or time.time() >= self._request.expires_at:
            raise TokenExpiredError

    def _is_over(self, item: Entry | Progress | None) -> bool:
        return self._request.job_id is not None and isinstance(item, Entry) and item.is_end


def read_page(*, user_id: UUID, after: int | None, job_id: UUID | None) -> tuple[int, list[Entry]]:
    """Return the last ``seq`` of the log before reading, and the next events."""
    head = log.get_head(user_id).seq
    events = log.list_events(user_id=user_id, after=after, limit=PAGE, job_id=job_id)
    return head, [build_entry(event) for event in events]
