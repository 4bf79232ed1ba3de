"""Rate limits, counted in Redis; with Redis away, requests pass unthrottled.

A user's requests cost points, and ``settings.RATE_LIMIT`` says how many there are in a window. All
of them may be spent at once. A view says what a method costs if not what most do (``costs``).
"""

import logging
import time
from collections.abc import Callable, Mapping
from enum import IntEnum
from functools import cache
from typing import Any

import limits.errors
import redis.exceptions
from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from limits import RateLimitItem, parse
from limits.storage import storage_from_string
from limits.strategies import SlidingWindowCounterRateLimiter
from rest_framework.exceptions import Throttled
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from auteur.api.requests import address_of

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


POINT = 10
"""Tenths."""


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
        """Count this request; remember the window for the response's headers."""
        limit = _in_tenths(settings.RATE_LIMIT)
        cost = int(min(cost_of(view, str(request.method)), limit.amount))
        user_id = getattr(request.user, "pk", None)
        who = f"user:{user_id}" if user_id else f"address:{address_of(request)}"
        try:
            allowed = _limiter().hit(limit, who, cost=cost)
            reset_time, remaining = _limiter().get_window_stats(limit, who)
        except _AWAY as exc:
            logger.warning("rate limit not counted: %s", type(exc).__name__)
            return True
        self._wait = max(1.0, reset_time - time.time())
        told = (limit.amount // POINT, remaining // POINT, self._wait)
        request._request.rate_limit = told  # type: ignore[attr-defined]
        return allowed

    def wait(self) -> float | None:
        """Seconds after which the client may ask again."""
        return self._wait


@cache
def _in_tenths(limit: str) -> RateLimitItem:
    """A limit of points as one of tenths."""
    item = parse(limit)
    return type(item)(item.amount * POINT, item.multiples)


def failures_left(limit: str, who: str) -> bool:
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
    """What failed before from one address, against ``settings.UNAUTHENTICATED_RATE_LIMIT``.

    With Redis away, only the first look waits for it.
    """

    def __init__(self, address: str) -> None:
        self._who = f"unauthenticated:{address}"
        self._limit = parse(settings.UNAUTHENTICATED_RATE_LIMIT)
        self._away = False

    def check(self) -> None:
        """Raise ``Throttled`` (429) where no more may fail."""
        try:
            if _limiter().test(self._limit, self._who):
                return
            reset_time, _ = _limiter().get_window_stats(self._limit, self._who)
        except _AWAY as exc:
            self._away = True
            logger.warning("rate limit not looked up: %s", type(exc).__name__)
            return
        raise Throttled(wait=max(1.0, reset_time - time.time()))

    def count(self) -> None:
        if not self._away:
            count_failure(settings.UNAUTHENTICATED_RATE_LIMIT, self._who)


def remember(key: str, seconds: int) -> None:
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
    """Tell each client where it stands (``RateLimit-*``)."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer, with the headers that the throttle left on the request."""
        response = self.get_response(request)
        window = getattr(request, "rate_limit", None)
        if window is not None:
            amount, remaining, wait = window
            response["RateLimit-Limit"] = str(amount)
            response["RateLimit-Remaining"] = str(max(0, remaining))
            response["RateLimit-Reset"] = str(round(wait))
        return response
