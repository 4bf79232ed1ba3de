"""Requests to the API: its address, the token, tries, idempotency keys, problems as exceptions."""

import logging
import random
import time
import uuid
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from itertools import islice
from typing import Any

import httpx

from auteur_client.errors import UnreachableError, problem_of

TIMEOUT = httpx.Timeout(60.0, connect=10.0)
TRIES = 6
"""Of one request: the first, and five more."""
FIRST_PAUSE_SECONDS = 0.5
PAUSE_GROWTH = 2.0
LONGEST_PAUSE_SECONDS = 60.0
NOT_CARRIED_OUT = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}
MAY_HAVE_ARRIVED = {HTTPStatus.BAD_GATEWAY, HTTPStatus.GATEWAY_TIMEOUT}
REPEATABLE = {"GET", "HEAD", "PUT", "DELETE", "POST"}
"""PATCH is where it has a key, as POST always has: an edit that had arrived is not made twice."""
NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
IDEMPOTENCY_KEY = "Idempotency-Key"
DIRECT: Mapping[str, httpx.BaseTransport | None] = {
    "all://127.0.0.1": None,
    "all://localhost": None,
}
"""No proxy stands between us and this machine."""


class UnsignedFilter(logging.Filter):
    """URLs of files are signed by their queries, which are no text for logs."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(
                arg.copy_with(query=None) if isinstance(arg, httpx.URL) else arg
                for arg in record.args
            )
        return True


logging.getLogger("httpx").addFilter(UnsignedFilter())


class PersistentClient(httpx.Client):
    """Asks again where that may help; a POST keeps its key over all tries.

    Whatever is sent by it, by the typed operations too, raises ``ProblemError`` where it is refused
    and ``UnreachableError`` where no answer comes.
    """

    def send(self, request: httpx.Request, **options: Any) -> httpx.Response:
        if request.method == "POST":
            request.headers.setdefault(IDEMPOTENCY_KEY, str(uuid.uuid4()))
        for pause in islice(growing_pauses(), TRIES - 1):
            try:
                response = super().send(request, **options)
            except httpx.TransportError as exc:
                if not is_repeatable(request) and not isinstance(exc, NEVER_SENT):
                    raise unreachable(request.url, exc) from exc
                time.sleep(pause)
            else:
                if not is_worth_another_try(request, response):
                    return accepted(response)
                response.close()
                time.sleep(pause_of(response, pause))
        return self.send_once(request, **options)

    def send_once(self, request: httpx.Request, **options: Any) -> httpx.Response:
        """What cannot be sent twice as it is, or was sent often enough."""
        try:
            return accepted(super().send(request, **options))
        except httpx.TransportError as exc:
            raise unreachable(request.url, exc) from exc


def is_repeatable(request: httpx.Request) -> bool:
    """Whether it may be sent again though it may have arrived."""
    return request.method in REPEATABLE or IDEMPOTENCY_KEY in request.headers


def is_worth_another_try(request: httpx.Request, response: httpx.Response) -> bool:
    """Whether the same request may be answered otherwise in a while."""
    status = response.status_code
    if status in MAY_HAVE_ARRIVED:
        return is_repeatable(request)
    return status in NOT_CARRIED_OUT


def growing_pauses() -> Iterator[float]:
    """Seconds between tries, spread so that many clients don't come back in one moment."""
    pause = FIRST_PAUSE_SECONDS
    while True:
        yield pause * random.uniform(0.75, 1.25)  # noqa: S311  # no secret
        pause = min(pause * PAUSE_GROWTH, LONGEST_PAUSE_SECONDS)


def pause_of(response: httpx.Response, otherwise: float) -> float:
    """How long the answer says to wait, at most a minute."""
    try:
        asked = float(response.headers["Retry-After"])
    except (KeyError, ValueError):
        return otherwise
    return min(max(asked, 0.0), LONGEST_PAUSE_SECONDS)


def accepted(response: httpx.Response) -> httpx.Response:
    """The answer, or ``ProblemError``."""
    if response.is_error:
        response.read()
        raise problem_of(response)
    return response


def unreachable(url: httpx.URL, exc: httpx.TransportError) -> UnreachableError:
    """What a broken connection is raised as; without the query, which signs some URLs."""
    where = f"{url.scheme}://{url.netloc.decode()}{url.path}"
    return UnreachableError(f"{where} does not answer: {type(exc).__name__}: {exc}")


class Http:
    """One API with one token; and what its signed URLs lead to, which see no token."""

    def __init__(self, url: str, token: str, live_url: str) -> None:
        self.url = url.rstrip("/")
        self.live_url = live_url.rstrip("/")
        self.client = PersistentClient(
            base_url=self.url,
            headers={"Authorization": f"Bearer {token}"} if token else {},
            timeout=TIMEOUT,
            mounts=DIRECT,
        )
        self.signed = PersistentClient(timeout=TIMEOUT, mounts=DIRECT)

    def request(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """The answer; raises ``ProblemError`` or ``UnreachableError``."""
        return self.client.request(method, path, json=json, params=params, headers=headers)

    def close(self) -> None:
        self.client.close()
        self.signed.close()
