"""Follow events: as server-sent events, or by long polling if there is no stream."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from http import HTTPStatus
from typing import Any

import attrs
import httpx
import httpx_sse

from auteur_client.errors import AuteurError, ProblemError, UnreachableError
from auteur_client.http import Http, iterate_pauses

STREAM_TIMEOUT = httpx.Timeout(45.0, connect=10.0)
"""A stream sends something every 15 s, so one that is silent for longer than this is broken."""
STREAM = "text/event-stream"
TOKEN_EXPIRED = "token_expired"  # noqa: S105
REMOVED = "events_removed"
PROGRESS = "job.progress"
POLL_SECONDS = 2.0
"""The pause between two polls."""
WAIT_SECONDS = 20
"""How long the API may hold a poll until there is an event."""


@attrs.frozen
class Event:
    """An event of a job; docs/events.md describes the `data` of each `type`.

    Types that this package does not know are events too.
    """

    seq: int
    type: str
    timestamp: datetime
    data: dict[str, Any]
    hash: str

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Event:
        """Build an event from the API's JSON."""
        return cls(
            document["seq"],
            document["type"],
            datetime.fromisoformat(document["timestamp"]),
            document["data"],
            document["hash"],
        )


class NoStreamError(AuteurError):
    """The address does not stream events."""


def stream(http: Http, path: str, after: int) -> Iterator[httpx_sse.ServerSentEvent]:
    """Yield the messages of a stream after an event, until the stream ends.

    Raises ``NoStreamError``, ``ProblemError``, or ``UnreachableError`` if the stream breaks.
    """
    with _open_stream(http, path, after) as response:
        if not response.headers.get("Content-Type", "").startswith(STREAM):
            raise NoStreamError
        try:
            for message in httpx_sse.EventSource(response).iter_sse():
                if message.event == TOKEN_EXPIRED:
                    return  # the next request raises the error
                yield message
        except httpx.TransportError as exc:
            raise UnreachableError(f"The event stream broke: {type(exc).__name__}.") from exc


@contextmanager
def _open_stream(http: Http, path: str, after: int) -> Iterator[httpx.Response]:
    request = http.client.build_request(
        "GET",
        http.live_url + path,
        params={"after": after},
        headers={"Accept": STREAM, "Cache-Control": "no-store"},
        timeout=STREAM_TIMEOUT,
    )
    response = http.client.send_once(request, stream=True)
    try:
        yield response
    finally:
        response.close()


def follow(http: Http, after: int | None) -> Iterator[Event]:
    """Yield events without end, after a number; from now on if ``after`` is None.

    Raises ``ProblemError`` if the API refuses.
    """
    last = http.request("GET", "/events/head").json()["seq"] if after is None else after
    has_stream = True
    pauses = iterate_pauses()
    while True:
        try:
            for event in _stream_events(http, last) if has_stream else _poll_events(http, last):
                last = event.seq
                pauses = iterate_pauses()
                yield event
        except NoStreamError:
            has_stream = False
        except UnreachableError:
            time.sleep(next(pauses))
        except ProblemError as exc:
            if not has_stream:
                raise
            has_stream = exc.status >= 500  # after a refusal, a poll raises the API's problem
        else:
            time.sleep(next(pauses) if has_stream else POLL_SECONDS)


def _stream_events(http: Http, after: int) -> Iterator[Event]:
    for message in stream(http, "/events", after):
        if message.event == REMOVED:
            raise ProblemError(HTTPStatus.GONE, {"code": REMOVED, **message.json()})
        # Progress and heartbeats carry the id of the event before them, and are no events.
        if message.event.startswith("job.") and message.event != PROGRESS:
            yield Event.from_json(message.json())


def _poll_events(http: Http, after: int) -> Iterator[Event]:
    answer = http.request("GET", "/events", params={"after": after, "wait": WAIT_SECONDS})
    for document in answer.json()["events"]:
        yield Event.from_json(document)
