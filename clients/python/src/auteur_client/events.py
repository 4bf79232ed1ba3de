"""What happens, as server-sent events; where none are streamed, by asking."""

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
from auteur_client.http import Http, growing_pauses

QUIET = httpx.Timeout(45.0, connect=10.0)
"""A stream says something every 15 s; one that says nothing for so long is broken."""
STREAM = "text/event-stream"
TOKEN_EXPIRED = "token_expired"  # noqa: S105
REMOVED = "events_removed"
PROGRESS = "job.progress"
POLL_SECONDS = 2.0
"""Between two questions where nothing waits for an answer."""
WAIT_SECONDS = 20
"""How long a question may wait for an event."""


@attrs.frozen
class Event:
    """Something that happened to a job; `data` is what docs/events.md says of its `type`.

    A type that a newer API knows is told as all others are.
    """

    seq: int
    type: str
    timestamp: datetime
    data: dict[str, Any]
    hash: str

    @classmethod
    def of(cls, told: dict[str, Any]) -> Event:
        """An event as the API writes it."""
        return cls(
            told["seq"],
            told["type"],
            datetime.fromisoformat(told["timestamp"]),
            told["data"],
            told["hash"],
        )


class NoStreamError(AuteurError):
    """Events are not streamed at this address."""


def stream(http: Http, path: str, after: int) -> Iterator[httpx_sse.ServerSentEvent]:
    """What is told after an event, until the stream ends.

    Raises ``NoStreamError``, ``ProblemError``, and ``UnreachableError`` where it breaks.
    """
    with _opened(http, path, after) as response:
        if not response.headers.get("Content-Type", "").startswith(STREAM):
            raise NoStreamError
        try:
            for told in httpx_sse.EventSource(response).iter_sse():
                if told.event == TOKEN_EXPIRED:
                    return  # whatever is asked next is told so
                yield told
        except httpx.TransportError as exc:
            raise UnreachableError(f"the stream of events broke: {type(exc).__name__}") from exc


@contextmanager
def _opened(http: Http, path: str, after: int) -> Iterator[httpx.Response]:
    request = http.client.build_request(
        "GET",
        http.live_url + path,
        params={"after": after},
        headers={"Accept": STREAM, "Cache-Control": "no-store"},
        timeout=QUIET,
    )
    response = http.client.send_once(request, stream=True)
    try:
        yield response
    finally:
        response.close()


def follow(http: Http, after: int | None) -> Iterator[Event]:
    """The log of events, for ever; from now on where ``after`` is None.

    Raises ``ProblemError`` where the API will not tell it.
    """
    last = http.request("GET", "/events/head").json()["seq"] if after is None else after
    streamed = True
    pauses = growing_pauses()
    while True:
        try:
            for event in _streamed(http, last) if streamed else _asked(http, last):
                last = event.seq
                pauses = growing_pauses()
                yield event
        except NoStreamError:
            streamed = False
        except UnreachableError:
            time.sleep(next(pauses))
        except ProblemError as exc:
            if not streamed:
                raise
            streamed = exc.status >= 500  # a refusal is told by the API itself
        else:
            time.sleep(next(pauses) if streamed else POLL_SECONDS)


def _streamed(http: Http, after: int) -> Iterator[Event]:
    for told in stream(http, "/events", after):
        if told.event == REMOVED:
            raise ProblemError(HTTPStatus.GONE, {"code": REMOVED, **told.json()})
        # Whatever comes after an event carries its id: progress does, and a sign of life.
        if told.event.startswith("job.") and told.event != PROGRESS:
            yield Event.of(told.json())


def _asked(http: Http, after: int) -> Iterator[Event]:
    answer = http.request("GET", "/events", params={"after": after, "wait": WAIT_SECONDS})
    for told in answer.json()["events"]:
        yield Event.of(told)
