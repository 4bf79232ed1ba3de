"""Django asked from the event loop: its whole answer, in a thread."""

import asyncio
import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from django.core.handlers.wsgi import WSGIHandler

from auteur.api.problems import Problem, problem_response
from auteur.api.requests import Utf8Request
from auteur.server.gateway import WSGI, Call, Environ, Headers

ANSWER_BYTES = 1024**2


def application(urlconf: str) -> WSGI:
    """Django with our middleware, and these addresses."""

    class At(Utf8Request):
        def __init__(self, environ: Environ) -> None:
            super().__init__(environ)
            self.urlconf = urlconf

    handler = WSGIHandler()
    handler.request_class = At
    return handler


@dataclass(frozen=True)
class Answer:
    """What Django says."""

    status: int
    headers: Headers
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Asking:
    """Asks one application."""

    def __init__(self, urlconf: str, threads: int) -> None:
        self._application = application(urlconf)
        self._pool = ThreadPoolExecutor(threads, "asking")

    async def ask(self, environ: Environ) -> Answer:
        """The answer to a request without a body."""
        call = Call(self._application, environ, ANSWER_BYTES)
        chunks = await asyncio.get_running_loop().run_in_executor(self._pool, _whole, call)
        return Answer(call.status, call.headers, b"".join(chunks))


def _whole(call: Call) -> Iterable[bytes]:
    chunks, more = call.pull()
    while more:
        further, more = call.pull()
        chunks += further
    return chunks


def refusal(problem: Problem, opening: Answer | None = None) -> Answer:
    """A problem, with the headers of an answer that would have gone out instead."""
    refusal = problem_response(
        problem.status_code, problem.default_code, str(problem.detail), problem.headers
    )
    own = {"content-type", "content-length"}
    kept = [each for each in opening.headers if each[0].lower() not in own] if opening else []
    return Answer(problem.status_code, [*kept, *refusal.items()], refusal.content)
