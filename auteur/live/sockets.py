"""The WebSocket `/ws/jobs`: authentication, the open jobs, then events and progress."""

import asyncio
import logging
from contextlib import aclosing
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from channels.exceptions import DenyConnection
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings

from auteur.core.api.parsing import parse_json
from auteur.live.api_client import Answer, build_refusal
from auteur.live.followers import Follower, FollowRequest, TokenExpiredError, build_follow_request
from auteur.live.limits import AUTHENTICATION_SECONDS, MESSAGE_BYTES
from auteur.live.messages import Entry, Progress, encode_json
from auteur.server.gateway import Environ, build_environ
from auteur.server.limits import Budget
from auteur.server.serving import get_client_address
from jobs.events.log import EventsRemovedProblem, TooManyConnectionsProblem

if TYPE_CHECKING:
    from auteur.live.application import Live

logger = logging.getLogger(__name__)

SUBPROTOCOL = "auteur.v1"
TOKEN_SUBPROTOCOL = "bearer."  # noqa: S105 (the prefix of a token)

UNAUTHENTICATED = 4401
TOKEN_EXPIRED = 4403
TOO_LATE = 4408
REMOVED = 4410
TOO_LARGE = 4413
GARBAGE = 4422
TOO_MANY = 4429
FAILED = 1011
TRY_AGAIN = 1013

CLOSE_CODES = {
    HTTPStatus.BAD_REQUEST: GARBAGE,
    HTTPStatus.GONE: REMOVED,
    HTTPStatus.TOO_MANY_REQUESTS: TOO_MANY,
    HTTPStatus.INTERNAL_SERVER_ERROR: FAILED,
    HTTPStatus.SERVICE_UNAVAILABLE: TRY_AGAIN,
}
"""The close code for each status of the API's response. All others mean failed authentication."""


class JobsConsumer(AsyncWebsocketConsumer):
    """One socket. Its token comes as a subprotocol or in the first message."""

    def __init__(self, live: "Live") -> None:
        super().__init__()
        self._live = live
        self._environ: Environ = {}
        self._reservation: tuple[Budget, str] | None = None
        self._has_token = False
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve the socket, and clean up at its end."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._release_connection()
            for task in self._tasks:
                task.cancel()
            if self._timer is not None:
                self._timer.cancel()

    async def dispatch(self, message: dict[str, Any]) -> None:
        """Call the handler of a message. The event loop has no database connections to close."""
        await getattr(self, message["type"].replace(".", "_"))(message)

    async def connect(self) -> None:
        """Accept the socket, and open it at once if a subprotocol has the token."""
        self._environ = build_environ({**self.scope, "method": "GET"})
        if not is_origin_allowed(self._environ.get("HTTP_ORIGIN")):
            raise DenyConnection
        offered = self.scope["subprotocols"]
        await self.accept(SUBPROTOCOL if SUBPROTOCOL in offered else None)
        if not self._reserve_connection(
            self._live.budgets.unauthenticated, get_client_address(self._environ)
        ):
            await self.close(TOO_MANY)
            return
        tokens = [name for name in offered if name.startswith(TOKEN_SUBPROTOCOL)]
        if tokens:
            token = tokens[0].removeprefix(TOKEN_SUBPROTOCOL)
            await self._open(token, self._environ["QUERY_STRING"])
        else:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(AUTHENTICATION_SECONDS, self._close_late)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Handle a message of the client: its authentication, or a ping."""
        if len(text_data or bytes_data or "") > MESSAGE_BYTES:
            await self.close(TOO_LARGE)
            return
        message = parse_message(text_data)
        token, after = message.get("token"), message.get("after")
        if message.get("type") == "ping" and self._has_token:
            await self.send('{"type":"pong"}')
        elif message.get("type") != "authenticate" or self._has_token or not isinstance(token, str):
            await self.close(GARBAGE)
        else:
            await self._open(token, "" if after is None else urlencode({"after": after}))

    async def disconnect(self, code: int) -> None:
        """Do nothing, because ``__call__`` cleans up."""

    async def _open(self, token: str, query: str) -> None:
        """Authenticate the client, send hello, and start to send events."""
        self._has_token = True
        if self._timer is not None:
            self._timer.cancel()
        answer = await self._request_opening(token, query)
        self._release_connection()
        if answer.status != HTTPStatus.OK:
            await self._refuse(answer)
            return
        opening = answer.json()
        if not self._live.hub.is_ready:
            await self.close(TRY_AGAIN)
        elif not self._reserve_connection(self._live.budgets.users, opening["user_id"]):
            await self._refuse(build_refusal(TooManyConnectionsProblem()))
        else:
            hello = {"type": "hello", "head": opening["head"], "jobs": opening["jobs"]}
            await self.send(encode_json(hello))
            self._start_task(self._send_events(build_follow_request(opening)))

    async def _request_opening(self, token: str, query: str) -> Answer:
        environ, self._environ = self._environ, {}  # Ten thousand of these take 50 MB.
        self.scope["headers"] = []
        variables = {
            "QUERY_STRING": query,
            "HTTP_ACCEPT": "application/json",
            "HTTP_AUTHORIZATION": f"Bearer {token}",
        }
        return await self._live.openings.request({**environ, **variables})

    async def _refuse(self, answer: Answer) -> None:
        if answer.body.startswith(b"{"):
            await self.send(encode_json({"type": "error", "problem": answer.json()}))
        await self.close(CLOSE_CODES.get(HTTPStatus(answer.status), UNAUTHENTICATED))

    async def _send_events(self, request: FollowRequest) -> None:
        """Send events until the token, this process or the client ends."""
        follower = Follower(self._live.hub, self._live.threads, request)
        try:
            async with aclosing(follower.follow()) as items:
                async for item in items:
                    if item is not None:  # Pings of the protocol serve as heartbeats.
                        await self.send(format_message(item))
        except TokenExpiredError:
            await self.close(TOKEN_EXPIRED)
        except EventsRemovedProblem as exc:
            problem = {"code": exc.default_code, **exc.extra}
            await self.send(encode_json({"type": "error", "problem": problem}))
            await self.close(REMOVED)

    def _close_late(self) -> None:
        self._start_task(self.close(TOO_LATE))

    def _start_task(self, work: Any) -> None:
        task = asyncio.create_task(_run_guarded(work, self))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _reserve_connection(self, budget: Budget, owner: str) -> bool:
        if budget.take(owner):
            self._reservation = budget, owner
            return True
        return False

    def _release_connection(self) -> None:
        if self._reservation is not None:
            budget, owner = self._reservation
            budget.release(owner)
            self._reservation = None


async def _run_guarded(work: Any, consumer: JobsConsumer) -> None:
    try:
        await work
    except OSError:
        pass  # The client has gone.
    except Exception:
        logger.exception("a socket failed")
        await consumer.close(FAILED)


def is_origin_allowed(origin: str | None) -> bool:
    """Return True if a page of this origin may connect. Programs send no origin."""
    return origin is None or origin in settings.CORS_ALLOWED_ORIGINS


def parse_message(text: str | None) -> dict[str, Any]:
    """Parse a client's message. Return an empty dict if it is invalid."""
    try:
        message = parse_json(text or "")
    except ValueError:
        return {}
    return message if isinstance(message, dict) else {}


def format_message(item: Entry | Progress) -> str:
    """Return an event or progress as a message."""
    if isinstance(item, Entry):
        return f'{{"type":"event","event":{item.text}}}'
    return f'{{"type":"progress","progress":{item.text}}}'
