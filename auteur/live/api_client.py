"""Call Django from the event loop: each request runs in a thread and returns its whole response."""

import asyncio
import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from django.core.handlers.wsgi import WSGIHandler

from auteur.core.api.problems import Problem, problem_response
from auteur.core.api.requests import Utf8Request
from auteur.server.gateway import WSGI, Call, Environ, Headers

ANSWER_BYTES = 1024**2


def build_application(urlconf: str) -> WSGI:
    """Return Django's WSGI application with our middleware and the given URL configuration."""

    class RequestWithUrls(Utf8Request):
        def __init__(self, environ: Environ) -> None:
            super().__init__(environ)
            self.urlconf = urlconf

    handler = WSGIHandler()
    handler.request_class = RequestWithUrls
    return handler


@dataclass(frozen=True)
class Answer:
    """A response of Django."""

    status: int
    headers: Headers
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class ApiClient:
    """A client of one Django application, with threads of its own."""

    def __init__(self, urlconf: str, threads: int) -> None:
        self._application = build_application(urlconf)
        self._pool = ThreadPoolExecutor(threads, "openings")

    async def request(self, environ: Environ) -> Answer:
        """Return the response to a request without a body."""
        call = Call(self._application, environ, ANSWER_BYTES)
        chunks = await asyncio.get_running_loop().run_in_executor(self._pool, _read_all, call)
        return Answer(call.status, call.headers, b"".join(chunks))


def _read_all(call: Call) -> Iterable[bytes]:
    chunks, has_more = call.pull_chunks()
    while has_more:
        next_chunks, has_more = call.pull_chunks()
        chunks += next_chunks
    return chunks


def build_refusal(problem: Problem, opening: Answer | None = None) -> Answer:
    """Return the response for a problem, with the other headers of a response that it replaces."""
    response = problem_response(
        problem.status_code, problem.default_code, str(problem.detail), problem.headers
    )
    replaced_names = {"content-type", "content-length"}
    headers = opening.headers if opening else []
    remaining = [header for header in headers if header[0].lower() not in replaced_names]
    return Answer(problem.status_code, [*remaining, *response.items()], response.content)
