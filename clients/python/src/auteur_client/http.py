"""Send requests to the API, with the token, retries and idempotency keys; raise its problems."""

import logging
import random
import time
import uuid
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from itertools import islice
from typing import Any

import httpx

from auteur_client.errors import UnreachableError, build_problem

TIMEOUT = httpx.Timeout(60.0, connect=10.0)
TRIES = 6
"""The most tries of one request, including the first."""
FIRST_PAUSE_SECONDS = 0.5
PAUSE_GROWTH = 2.0
LONGEST_PAUSE_SECONDS = 60.0
UNPROCESSED_STATUSES = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}
GATEWAY_STATUSES = {HTTPStatus.BAD_GATEWAY, HTTPStatus.GATEWAY_TIMEOUT}
REPEATABLE = {"GET", "HEAD", "PUT", "DELETE", "POST"}
"""Methods that can be retried after they may have arrived: POST always has an idempotency key.

PATCH can be retried if it has a key.
"""
CONNECT_ERRORS = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
IDEMPOTENCY_KEY = "Idempotency-Key"
DIRECT: Mapping[str, httpx.BaseTransport | None] = {
    "all://127.0.0.1": None,
    "all://localhost": None,
}
"""Requests to this machine use no proxy."""


class UnsignedFilter(logging.Filter):
    """A log filter that removes the queries of URLs, because they hold signatures."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(
                arg.copy_with(query=None) if isinstance(arg, httpx.URL) else arg
                for arg in record.args
            )
        return True


logging.getLogger("httpx").addFilter(UnsignedFilter())


class PersistentClient(httpx.Client):
    """An HTTP client that retries requests; a POST keeps its idempotency key over all tries.

    Requests raise ``ProblemError`` if the API refuses them and ``UnreachableError`` if it does not
    answer. The same holds for the typed operations.
    """

    def send(self, request: httpx.Request, **options: Any) -> httpx.Response:
        if request.method == "POST":
            request.headers.setdefault(IDEMPOTENCY_KEY, str(uuid.uuid4()))
        for pause in islice(iterate_pauses(), TRIES - 1):
            try:
                response = super().send(request, **options)
            except httpx.TransportError as exc:
                if not is_repeatable(request) and not isinstance(exc, CONNECT_ERRORS):
                    raise build_unreachable_error(request.url, exc) from exc
                time.sleep(pause)
            else:
                if not can_retry(request, response):
                    return check_response(response)
                response.close()
                time.sleep(get_retry_pause(response, pause))
        return self.send_once(request, **options)

    def send_once(self, request: httpx.Request, **options: Any) -> httpx.Response:
        """Send a request without retries."""
        try:
            return check_response(super().send(request, **options))
        except httpx.TransportError as exc:
            raise build_unreachable_error(request.url, exc) from exc


def is_repeatable(request: httpx.Request) -> bool:
    """Return True if the request may be sent again although it may have arrived."""
    return request.method in REPEATABLE or IDEMPOTENCY_KEY in request.headers


def can_retry(request: httpx.Request, response: httpx.Response) -> bool:
    """Return True if the same request may succeed later."""
    status = response.status_code
    if status in GATEWAY_STATUSES:
        return is_repeatable(request)
    return status in UNPROCESSED_STATUSES


def iterate_pauses() -> Iterator[float]:
    """Yield the seconds between tries, with jitter so that clients do not retry together."""
    pause = FIRST_PAUSE_SECONDS
    while True:
        yield pause * random.uniform(0.75, 1.25)  # noqa: S311  # not used for a secret
        pause = min(pause * PAUSE_GROWTH, LONGEST_PAUSE_SECONDS)


def get_retry_pause(response: httpx.Response, default: float) -> float:
    """Return the seconds of ``Retry-After``, at most a minute, or else the default."""
    try:
        seconds = float(response.headers["Retry-After"])
    except (KeyError, ValueError):
        return default
    return min(max(seconds, 0.0), LONGEST_PAUSE_SECONDS)


def check_response(response: httpx.Response) -> httpx.Response:
    """Return the response; raise ``ProblemError`` if it is an error."""
    if response.is_error:
        response.read()
        raise build_problem(response)
    return response


def build_unreachable_error(url: httpx.URL, exc: httpx.TransportError) -> UnreachableError:
    """Build the error for a broken connection, without the query, which signs some URLs."""
    address = f"{url.scheme}://{url.netloc.decode()}{url.path}"
    return UnreachableError(f"{address} does not answer: {type(exc).__name__}: {exc}")


class Http:
    """The connections of a client: to the API with a token, and to signed URLs without it."""

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
        """Send a request; raise ``ProblemError`` or ``UnreachableError``."""
        return self.client.request(method, path, json=json, params=params, headers=headers)

    def close(self) -> None:
        self.client.close()
        self.signed.close()
