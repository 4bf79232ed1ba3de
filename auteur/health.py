"""The views of `/health`, which check that the process and its stores answer."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pymongo
import redis
from django.conf import settings
from django.db import connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe

from auteur.core.api.problems import OUTAGES
from auteur.core.work import broker
from auteur.core.work.broker import BROKER_OUTAGES
from media.storage import object_storage

TIMEOUT_SECONDS = 2.0
FRESH_SECONDS = 1.0
"""How long the result of a check is repeated."""
OUTAGE_ERRORS: tuple[type[Exception], ...] = (*OUTAGES, *BROKER_OUTAGES, OSError)


@require_safe
def live(request: HttpRequest) -> JsonResponse:
    """Return 200, because the process answers."""
    return JsonResponse({"status": "ok"})


@require_safe
def ready(request: HttpRequest) -> JsonResponse:
    """Return the state of each store: 503 unless all but Redis and the broker answer.

    Each store is checked once a second at most. While Redis is away, each process counts rate
    limits alone; while the broker is away, jobs are accepted. So their outages are shown and
    nothing more.
    """
    is_up = stores.check()
    # The service works without Redis and the broker.
    is_ready = all(is_up[name] for name in ("postgres", "mongodb", "storage"))
    body = {"status": "ok" if is_ready else "unavailable"}
    states = {name: "ok" if answers else "away" for name, answers in is_up.items()}
    return JsonResponse(body | {"stores": states}, status=200 if is_ready else 503)


class Stores:
    """The last result of the checks, which run once at a time however many requests come."""

    def __init__(self) -> None:
        self._result: dict[str, bool] = {}
        self._fresh_until = 0.0
        self._lock = threading.Lock()

    def check(self) -> dict[str, bool]:
        """Return which stores answer. During another thread's check, return the last result."""
        if not self._lock.acquire(blocking=not self._result):
            return self._result
        try:
            if time.monotonic() >= self._fresh_until:
                self._result = _check_all()
                self._fresh_until = time.monotonic() + FRESH_SECONDS
            return self._result
        finally:
            self._lock.release()


stores = Stores()


def _check_all() -> dict[str, bool]:
    checks: dict[str, Callable[[], object]] = {
        "postgres": _check_postgres,
        "mongodb": _check_mongodb,
        "storage": _check_storage,
        "redis": _check_redis,
    }
    if settings.BROKER_URL != settings.REDIS_URL:
        checks["rabbitmq" if settings.BROKER_IS_AMQP else "broker"] = broker.ping
    with ThreadPoolExecutor(len(checks)) as pool:
        return dict(zip(checks, pool.map(_has_answer, checks.values()), strict=True))


def _has_answer(check: Callable[[], object]) -> bool:
    try:
        check()
    except OUTAGE_ERRORS:
        return False
    return True


def _check_postgres() -> None:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    finally:
        connection.close()  # Each thread has its own connection.


def _check_mongodb() -> None:
    timeout = int(TIMEOUT_SECONDS * 1000)
    client: pymongo.MongoClient[dict[str, object]]
    with pymongo.MongoClient(settings.MONGODB_URI, serverSelectionTimeoutMS=timeout) as client:
        client.admin.command("ping")


def _check_redis() -> None:
    with redis.Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=TIMEOUT_SECONDS,
        socket_connect_timeout=TIMEOUT_SECONDS,
    ) as client:
        client.ping()


def _check_storage() -> None:
    object_storage().check()
