"""Rate limits, counted by each process and settled with Redis (`auteur.api.windows`).

A user's requests cost points, and ``settings.RATE_LIMIT`` says how many there are in a window. All
of them may be spent at once. A view says what a method costs if not what most do (``costs``).

What staff fail at when they sign in is counted in Redis alone.
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

from auteur.api import waiting
from auteur.api.requests import client_address
from auteur.api.windows import Standing, windows

logger = logging.getLogger(__name__)

_AWAY = (limits.errors.StorageError, redis.exceptions.RedisError)


class Cost(IntEnum):
    """Of a request, in tenths of a point."""

    STATUS = 1
    """How a job stands, what has happened: what is asked again and again."""
    READ = 5
    """What else is read, unless a view says otherwise."""
    REQUEST = 10
    """What changes something, a batch as a whole, unless a view says otherwise."""
    UPLOAD = 20
    """What makes room for a file."""
    FRAME = 50
    """What is decoded while somebody waits."""


POINT = 10
"""Tenths."""
POLICY = "points"
"""The limit's name in headers."""


def cost_of(view: Any, method: str) -> Cost:
    """What a method of a view costs."""
    method = "GET" if method == "HEAD" else method
    costs: Mapping[str, Cost] = getattr(view, "costs", {})
    return costs.get(method, Cost.READ if method == "GET" else Cost.REQUEST)


@cache
def _limiter() -> SlidingWindowCounterRateLimiter:
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
    """``settings.RATE_LIMIT`` points for each user, however many keys, and for each address where
    nobody is signed in.
    """

    _wait: float | None = None

    def allow_request(self, request: Request, view: Any) -> bool:
        """Count this request; remember the window for the response's headers.

        One that is run once more (`auteur.api.waiting`) has been counted.
        """
        if waiting.is_repeated(request):
            _count(request, 0)
            return True
        standing = _count(request, cost_of(view, str(request.method)))
        self._wait = max(1.0, standing.seconds)
        return standing.allowed

    def wait(self) -> float | None:
        """Seconds after which the client may ask again."""
        return self._wait


def charge_points(request: Request, cost: int) -> None:
    """Count more of a request than its view's cost, once it is known to take more.

    Raises ``Throttled`` (429) where the user or address has not so much left.
    """
    standing = _count(request, cost)
    if not standing.allowed:
        raise Throttled(wait=max(1.0, standing.seconds))


def _count(request: Request, cost: int) -> Standing:
    """Count a cost; remember the window for the response's headers."""
    points, seconds = _parsed(settings.RATE_LIMIT)
    amount = points * POINT
    user_id = getattr(request.user, "pk", None)
    who = f"user:{user_id}" if user_id else f"address:{client_address(request)}"
    standing = windows.hit(who, amount=amount, seconds=seconds, cost=int(min(cost, amount)))
    window = (points, seconds, standing.left // POINT, max(1.0, standing.seconds))
    request._request.rate_limit = window  # type: ignore[attr-defined]
    return standing


@cache
def _parsed(limit: str) -> tuple[int, int]:
    """How many, and in how many seconds."""
    item = parse(limit)
    return item.amount, item.get_expiry()


def has_failures_left(limit: str, who: str) -> bool:
    """Whether ``who`` may fail once more within the limit; with Redis away, anybody may."""
    try:
        return _limiter().test(parse(limit), who)
    except _AWAY as exc:
        logger.warning("rate limit not looked up: %s", type(exc).__name__)
        return True


def count_failure(limit: str, who: str) -> None:
    """Note that ``who`` failed."""
    try:
        _limiter().hit(parse(limit), who)
    except _AWAY as exc:
        logger.warning("rate limit not counted: %s", type(exc).__name__)


class Failures:
    """What failed before from one address, against ``settings.UNAUTHENTICATED_RATE_LIMIT``."""

    def __init__(self, address: str) -> None:
        self._who = f"unauthenticated:{address}"
        self._amount, self._seconds = _parsed(settings.UNAUTHENTICATED_RATE_LIMIT)

    def check(self) -> None:
        """Raise ``Throttled`` (429) where no more may fail."""
        standing = windows.look(self._who, amount=self._amount, seconds=self._seconds)
        if not standing.allowed:
            raise Throttled(wait=max(1.0, standing.seconds))

    def count(self) -> None:
        windows.hit(self._who, amount=self._amount, seconds=self._seconds)


def remember_key(key: str, seconds: int) -> None:
    """Keep a key for a while, from now; with Redis away, not at all."""
    try:
        _limiter().storage.clear(key)
        _limiter().storage.incr(key, seconds)
    except _AWAY as exc:
        logger.warning("not remembered: %s", type(exc).__name__)


def is_remembered(key: str) -> bool:
    """Whether a key is kept."""
    try:
        return _limiter().storage.get(key) > 0
    except _AWAY:
        return False


class RateLimitHeaders:
    """Tell each client the limit and where it stands: ``RateLimit-Policy`` and ``RateLimit``.

    As in draft-ietf-httpapi-ratelimit-headers-10, the quota in points.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer, with the headers that the throttle left on the request."""
        response = self.get_response(request)
        window = getattr(request, "rate_limit", None)
        if window is not None:
            points, seconds, remaining, wait = window
            response["RateLimit-Policy"] = f'"{POLICY}";q={points};w={seconds}'
            response["RateLimit"] = f'"{POLICY}";r={max(0, remaining)};t={round(wait)}'
        return response
