"""Server-sent events, as the HTML standard defines them."""

import asyncio
import secrets
from collections.abc import AsyncGenerator
from contextlib import aclosing
from http import HTTPStatus
from typing import Any
from uuid import UUID

from auteur.live.api_client import Answer
from auteur.live.followers import Follower, TokenExpiredError, build_follow_request
from auteur.live.hub import Hub
from auteur.live.messages import PROGRESS_TYPE, Entry, Progress, encode_json
from auteur.live.threads import Threads
from jobs.events.log import EventsRemovedProblem

CONTENT_TYPE = "text/event-stream"
RETRY_MS = (1000, 5000)
"""The range of the random reconnection delay, so that not all clients return together."""
HEARTBEAT = b":\n\n"
OWN_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store, no-transform"),
    (b"x-accel-buffering", b"no"),
]
"""Headers of every stream. The others are those of the API's response."""
REPLACED = {"content-type", "content-length", "cache-control", "allow", "etag"}


class Stream:
    """One stream, from its opening to its end."""

    def __init__(self, hub: Hub, threads: Threads, opening: Answer, job_id: UUID | None) -> None:
        self._opening = opening
        fields = opening.json()
        self._head = fields["head"]
        request = build_follow_request(fields, job_id)
        self.user_id = request.user_id
        self._follower = Follower(hub, threads, request)

    async def run(self, receive: Any, send: Any) -> None:
        """Send events until the job, the token, this process or the client ends."""
        headers = [
            (name.encode("latin-1"), value.encode("latin-1"))
            for name, value in self._opening.headers
            if name.lower() not in REPLACED
        ]
        await send(
            {
                "type": "http.response.start",
                "status": HTTPStatus.OK,
                "headers": headers + OWN_HEADERS,
            }
        )
        send_task = asyncio.create_task(self._send_texts(send))
        disconnect_task = asyncio.create_task(wait_for_disconnect(receive))
        try:
            await asyncio.wait((send_task, disconnect_task), return_when=asyncio.FIRST_COMPLETED)
            if send_task.done():
                send_task.result()
        finally:
            send_task.cancel()
            disconnect_task.cancel()

    async def _send_texts(self, send: Any) -> None:
        async with aclosing(self._iterate_texts()) as texts:
            async for text in texts:
                await send({"type": "http.response.body", "body": text, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _iterate_texts(self) -> AsyncGenerator[bytes, None]:
        low, high = RETRY_MS
        retry = low + secrets.randbelow(high - low)
        yield f"retry: {retry}\nevent: hello\ndata: {encode_json(self._head)}\n\n".encode()
        try:
            async with aclosing(self._follower.follow()) as items:
                async for item in items:
                    yield format_event(item)
        except TokenExpiredError:
            yield b"event: token_expired\ndata: {}\n\n"
        except EventsRemovedProblem as exc:
            yield f"event: {exc.default_code}\ndata: {encode_json(exc.extra)}\n\n".encode()


def format_event(item: Entry | Progress | None) -> bytes:
    """Return the text of an event, of progress without a number, or of a heartbeat."""
    if isinstance(item, Entry):
        return f"id: {item.seq}\nevent: {item.event['type']}\ndata: {item.text}\n\n".encode()
    if isinstance(item, Progress):
        return f"event: {PROGRESS_TYPE}\ndata: {item.text}\n\n".encode()
    return HEARTBEAT


async def wait_for_disconnect(receive: Any) -> None:
    """Return when the client has disconnected."""
    while (await receive())["type"] != "http.disconnect":
        pass
