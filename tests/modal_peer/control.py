"""How another process reads the peer's book, and changes its script."""

from collections import Counter
from dataclasses import asdict, dataclass

import requests
from aiohttp import web

from tests.modal_peer.book import Book
from tests.modal_peer.scenario import Scenario, Script
from tests.modal_peer.web_server import WebServer

ANSWER_SECONDS = 5.0


@dataclass(frozen=True)
class OpenCall:
    """A call that waits or runs at the peer."""

    call_id: str
    job_id: str
    attempt_id: str


class Control:
    """``GET /calls`` and ``PUT /script``, while the peer is there."""

    def __init__(self, book: Book, port: int) -> None:
        self._book = book
        self._port = port
        self._server = WebServer(
            [web.get("/calls", self._calls), web.put("/script", self._change_script)]
        )

    async def start(self, host: str) -> None:
        """Listen."""
        await self._server.start(host, self._port)

    async def stop(self) -> None:
        """Close the port."""
        await self._server.stop()

    async def _calls(self, request: web.Request) -> web.Response:
        still_open = [
            OpenCall(call_id, call.payload["job_id"], call.payload["attempt_id"])
            for call_id, call in self._book.calls.items()
            if not call.is_over
        ]
        calls = self._book.calls.values()
        answer = {
            "taken": len(calls),
            "taken_by_job": Counter(call.payload["job_id"] for call in calls),
            "run_by_job": Counter(call.payload["job_id"] for call in calls if call.has_run),
            "open": [asdict(call) for call in still_open],
        }
        return web.json_response(answer)

    async def _change_script(self, request: web.Request) -> web.Response:
        body = await request.json()
        script = Script.read(body["scenarios"])
        script.upcoming.extend(Scenario(name) for name in body["upcoming"])
        self._book.script = script
        return web.json_response({})


class RemoteBook:
    """The book of a peer in another process, by its control port."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._session = requests.Session()
        self._session.trust_env = False

    def plays(self, *scenarios: str, upcoming: tuple[Scenario, ...] = ()) -> None:
        """Give all calls from now on these scenarios (``name`` or ``name=share``)."""
        body = {"scenarios": scenarios, "upcoming": upcoming}
        answer = self._session.put(f"{self._url}/script", json=body, timeout=ANSWER_SECONDS)
        answer.raise_for_status()

    def taken(self) -> int:
        """How many calls the peer has taken so far."""
        return int(self._ask()["taken"])

    def taken_by_job(self) -> dict[str, int]:
        """Return how many calls the peer has taken for each job."""
        return dict(self._ask()["taken_by_job"])

    def run_by_job(self) -> dict[str, int]:
        """Return how many calls of each job have run to their end."""
        return dict(self._ask()["run_by_job"])

    def open_calls(self) -> list[OpenCall]:
        """The calls that wait or run."""
        return [OpenCall(**call) for call in self._ask()["open"]]

    def _ask(self) -> dict:
        answer = self._session.get(f"{self._url}/calls", timeout=ANSWER_SECONDS)
        answer.raise_for_status()
        return answer.json()
