"""Rate limits, counted by each process and synchronised through Redis (`auteur.core.api.windows`).

A user's requests cost points. ``settings.RATE_LIMIT`` sets how many points a window has; all of
them may be spent at once. A view sets the cost of a method if it differs from the default
(``costs``).

Failed sign-ins of staff are counted in Redis only.
"""

import logging
from collections.abc import Callable, Mapping
from enum import IntEnum
from functools import cache
from typing import Any

import limits.errors
import redis.exceptions
from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from limits import parse
from limits.storage import storage_from_string
from limits.strategies import SlidingWindowCounterRateLimiter
from rest_framework.exceptions import Throttled
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from auteur.core.api import waiting
from auteur.core.api.requests import client_address
from auteur.core.api.windows import WindowState, windows

logger = logging.getLogger(__name__)

_OUTAGES = (limits.errors.StorageError, redis.exceptions.RedisError)


class Cost(IntEnum):
    """The cost of a request, in tenths of a point."""

    STATUS = 1
    """Reads that clients repeat: the status of a job, new events."""
    READ = 5
    """Other reads, unless a view sets another cost."""
    REQUEST = 10
    """Writes, and batches as a whole, unless a view sets another cost."""
    UPLOAD = 20
    """The declaration of an upload."""
    FRAME = 50
    """Decoding while the client waits."""


POINT = 10
"""One point, in tenths."""
POLICY = "points"
"""The name of the limit in headers."""


def get_cost(view: Any, method: str) -> Cost:
    """Return the cost of a method of a view."""
    method = "GET" if method == "HEAD" else method
    costs: Mapping[str, Cost] = getattr(view, "costs", {})
    return costs.get(method, Cost.READ if method == "GET" else Cost.REQUEST)


@cache
def _get_limiter() -> SlidingWindowCounterRateLimiter:
    timeout = settings.REDIS_THROTTLE_TIMEOUT_SECONDS
    return SlidingWindowCounterRateLimiter(
        storage_from_string(
            settings.REDIS_URL,
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            wrap_exceptions=True,
        )
    )


class RateLimit(BaseThrottle):
    """A throttle of ``settings.RATE_LIMIT`` points, for each user or anonymous address.

    All API keys of a user share the user's points.
    """

    _wait: float | None = None

    def allow_request(self, request: Request, view: Any) -> bool:
        """Count this request; remember the window for the response's headers.

        A request that is run again (`auteur.core.api.waiting`) has already been counted.
        """
        if waiting.is_repeated(request):
            _count_cost(request, 0)
            return True
        state = _count_cost(request, get_cost(view, str(request.method)))
        self._wait = max(1.0, state.seconds)
        return state.is_allowed

    def wait(self) -> float | None:
        """Return the seconds after which the client may send another request."""
        return self._wait


def charge_points(request: Request, cost: int) -> None:
    """Count a cost beyond the view's, once it is known.

    Raise ``Throttled`` (429) if the user or address does not have that many points left.
    """
    state = _count_cost(request, cost)
    if not state.is_allowed:
        raise Throttled(wait=max(1.0, state.seconds))


def _count_cost(request: Request, cost: int) -> WindowState:
    """Count a cost; remember the window for the response's headers."""
    points, seconds = _parse_limit(settings.RATE_LIMIT)
    amount = points * POINT
    user_id = getattr(request.user, "pk", None)
    client = f"user:{user_id}" if user_id else f"address:{client_address(request)}"
    state = windows.hit(client, amount=amount, seconds=seconds, cost=int(min(cost, amount)))
    window = (points, seconds, state.remaining // POINT, max(1.0, state.seconds))
    request._request.rate_limit = window  # type: ignore[attr-defined]
    return state


@cache
def _parse_limit(limit: str) -> tuple[int, int]:
    """Return the number of points, and the seconds of the window."""
    item = parse(limit)
    return item.amount, item.get_expiry()


def can_fail_again(limit: str, client: str) -> bool:
    """Return True if ``client`` may fail once more within the limit, or Redis is away."""
    try:
        return _get_limiter().test(parse(limit), client)
    except _OUTAGES as exc:
        logger.warning("rate limit not looked up: %s", type(exc).__name__)
        return True


def count_failure(limit: str, client: str) -> None:
    """Count a failure of ``client``. Do nothing if Redis is away."""
    try:
        _get_limiter().hit(parse(limit), client)
    except _OUTAGES as exc:
        logger.warning("rate limit not counted: %s", type(exc).__name__)


class Failures:
    """The failed authentications of an address, within ``settings.UNAUTHENTICATED_RATE_LIMIT``."""

    def __init__(self, address: str) -> None:
        self._client = f"unauthenticated:{address}"
        self._amount, self._seconds = _parse_limit(settings.UNAUTHENTICATED_RATE_LIMIT)

    def check(self) -> None:
        """Raise ``Throttled`` (429) if the address may not fail once more."""
        state = windows.get_state(self._client, amount=self._amount, seconds=self._seconds)
        if not state.is_allowed:
            raise Throttled(wait=max(1.0, state.seconds))

    def count(self) -> None:
        windows.hit(self._client, amount=self._amount, seconds=self._seconds)


def remember_key(key: str, seconds: int) -> None:
    """Store a key for ``seconds``. Do nothing if Redis is away."""
    try:
        _get_limiter().storage.clear(key)
        _get_limiter().storage.incr(key, seconds)
    except _OUTAGES as exc:
        logger.warning("not remembered: %s", type(exc).__name__)


def is_remembered(key: str) -> bool:
    """Return True if a key is stored."""
    try:
        return _get_limiter().storage.get(key) > 0
    except _OUTAGES:
        return False


class RateLimitHeaders:
    """A middleware that sends the headers ``RateLimit-Policy`` and ``RateLimit``.

    They follow draft-ietf-httpapi-ratelimit-headers-10. The quota is in points.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Return the response with headers for the window that the throttle remembered."""
        response = self.get_response(request)
        window = getattr(request, "rate_limit", None)
        if window is not None:
            points, seconds, remaining, wait = window
            response["RateLimit-Policy"] = f'"{POLICY}";q={points};w={seconds}'
            response["RateLimit"] = f'"{POLICY}";r={max(0, remaining)};t={round(wait)}'
        return response
