"""The ASGI application: routes requests to streams, sockets, long polls or Django."""

import logging
from http import HTTPStatus
from typing import Any
from uuid import UUID

from channels.security.websocket import WebsocketDenier
from django.urls import Resolver404, resolve

from auteur.core.api.problems import UnavailableProblem
from auteur.live import api_client, polling
from auteur.live.api_client import Answer, ApiClient, build_refusal
from auteur.live.hub import Hub
from auteur.live.limits import THREADS, ConnectionBudgets, build_limits
from auteur.live.sockets import JobsConsumer
from auteur.live.streaming import CONTENT_TYPE, Stream
from auteur.live.threads import Threads
from auteur.server.application import Application
from auteur.server.bodies import has_body
from auteur.server.gateway import Environ, build_environ
from auteur.server.limits import OverloadedError, reserve
from auteur.server.protocol import TRANSPORT
from auteur.server.serving import get_client_address
from jobs.events.log import TooManyConnectionsProblem
from jobs.http.event_views import EventsView, JobEventsView

logger = logging.getLogger(__name__)
access = logging.getLogger("auteur.access")

SOCKETS = "/ws/jobs"
URLS = "auteur.live.urls"
OPENINGS = "auteur.live.openings"


class Live:
    """The ASGI application. It serves streams and sockets itself, and the rest by Django."""

    def __init__(self) -> None:
        self.hub = Hub()
        self.budgets = ConnectionBudgets()
        self.openings = ApiClient(OPENINGS, THREADS)
        self.threads = Threads(THREADS, "log")
        self._api = Application(
            api_client.build_application(URLS),
            build_limits(),
            get_client=get_client_address,
            get_body_limit=lambda environ: 0,
        )

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await self._serve_socket(scope, receive, send)
        else:
            await self._serve_request(scope, receive, send)

    async def _serve_socket(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == SOCKETS:
            await JobsConsumer(self)(scope, receive, send)
        else:
            await WebsocketDenier()(scope, receive, send)

    async def _serve_request(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            await self._route_request(scope, receive, send)
        except Exception:
            logger.exception("a request failed outside Django")
            scope[TRANSPORT].abort()

    async def _route_request(self, scope: Any, receive: Any, send: Any) -> None:
        environ = build_environ(scope)
        route_arguments = _find_event_route(environ) if scope["method"] == "GET" else None
        if route_arguments is None or has_body(environ, scope):
            await self._api(scope, receive, send)
        elif CONTENT_TYPE in environ.get("HTTP_ACCEPT", ""):
            await self._serve_stream(environ, route_arguments.get("job_id"), receive, send)
        elif await self._wait_for_events(environ, route_arguments.get("job_id"), receive, send):
            await self._api(scope, receive, send)

    async def _serve_stream(
        self, environ: Environ, job_id: UUID | None, receive: Any, send: Any
    ) -> None:
        opening = await self.openings.request({**environ, "HTTP_ACCEPT": "application/json"})
        access.info("GET %s %s stream", environ["PATH_INFO"], opening.status)
        if opening.status != HTTPStatus.OK:
            await _send_answer(opening, send)
            return
        if not self.hub.is_ready:
            await _send_answer(build_refusal(UnavailableProblem(), opening), send)
            return
        stream = Stream(self.hub, self.threads, opening, job_id)
        try:
            with reserve(self.budgets.users, str(stream.user_id)):
                await stream.run(receive, send)
        except OverloadedError:
            await _send_answer(build_refusal(TooManyConnectionsProblem(), opening), send)

    async def _wait_for_events(
        self, environ: Environ, job_id: UUID | None, receive: Any, send: Any
    ) -> bool:
        """Return True if the API must answer the poll now, False if the client has gone."""
        poll = await self.threads.call(polling.parse_poll, environ=environ, job_id=job_id)
        if poll is None or not self.hub.is_ready:
            return True
        try:
            with reserve(self.budgets.users, str(poll.user_id)):
                return await polling.wait_for_events(poll, self.hub, self.threads, receive)
        except OverloadedError:
            await _send_answer(build_refusal(TooManyConnectionsProblem()), send)
            return False


def _find_event_route(environ: Environ) -> dict[str, Any] | None:
    """Return the route arguments of an address of events, or None for another address."""
    try:
        match = resolve(environ["PATH_INFO"].encode("latin-1").decode(), URLS)
    except (Resolver404, UnicodeDecodeError):
        return None
    view = getattr(match.func, "view_class", None)
    return match.kwargs if view in {EventsView, JobEventsView} else None


async def _send_answer(answer: Answer, send: Any) -> None:
    headers = [
        (name.lower().encode("latin-1"), value.encode("latin-1"))
        for name, value in answer.headers
        if name.lower() != "content-length"
    ]
    length = (b"content-length", b"%d" % len(answer.body))
    is_empty = answer.status == HTTPStatus.NO_CONTENT
    await send(
        {
            "type": "http.response.start",
            "status": answer.status,
            "headers": headers if is_empty else [*headers, length],
        }
    )
    await send({"type": "http.response.body", "body": answer.body})
