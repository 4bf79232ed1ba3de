"""`/health`: whether the process answers, and whether its stores do."""

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

from auteur import broker
from auteur.api.problems import OUTAGES
from auteur.broker import BROKER_OUTAGES
from media.storage import object_storage

TIMEOUT_SECONDS = 2.0
FRESH_SECONDS = 1.0
"""How long what was found is told again."""
UNANSWERED: tuple[type[Exception], ...] = (*OUTAGES, *BROKER_OUTAGES, OSError)


@require_safe
def live(request: HttpRequest) -> JsonResponse:
    """The process answers."""
    return JsonResponse({"status": "ok"})


@require_safe
def ready(request: HttpRequest) -> JsonResponse:
    """Each store, asked at most every second; 503 unless all but Redis and the broker answer.

    Those may be away: each process counts rate limits alone and jobs are taken, so it only shows.
    """
    found = stores.check()
    is_ready = all(found[name] for name in ("postgres", "mongodb", "storage"))
    body = {"status": "ok" if is_ready else "unavailable"}
    shown = {name: "ok" if answered else "away" for name, answered in found.items()}
    return JsonResponse(body | {"stores": shown}, status=200 if is_ready else 503)


class Stores:
    """What was found last, and one check at a time, however many ask."""

    def __init__(self) -> None:
        self._found: dict[str, bool] = {}
        self._until = 0.0
        self._checking = threading.Lock()

    def check(self) -> dict[str, bool]:
        """Which stores answer; while somebody checks, what was found before."""
        if not self._checking.acquire(blocking=not self._found):
            return self._found
        try:
            if time.monotonic() >= self._until:
                self._found = _check_all()
                self._until = time.monotonic() + FRESH_SECONDS
            return self._found
        finally:
            self._checking.release()


stores = Stores()


def _check_all() -> dict[str, bool]:
    checks: dict[str, Callable[[], object]] = {
        "postgres": _postgres,
        "mongodb": _mongodb,
        "storage": _storage,
        "redis": _redis,
    }
    if settings.BROKER_URL != settings.REDIS_URL:
        checks["rabbitmq" if settings.BROKER_IS_AMQP else "broker"] = broker.ping
    with ThreadPoolExecutor(len(checks)) as pool:
        return dict(zip(checks, pool.map(_answers, checks.values()), strict=True))


def _answers(check: Callable[[], object]) -> bool:
    try:
        check()
    except UNANSWERED:
        return False
    return True


def _postgres() -> None:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    finally:
        connection.close()  # this thread's own


def _mongodb() -> None:
    timeout = int(TIMEOUT_SECONDS * 1000)
    client: pymongo.MongoClient[dict[str, object]]
    with pymongo.MongoClient(settings.MONGODB_URI, serverSelectionTimeoutMS=timeout) as client:
        client.admin.command("ping")


def _redis() -> None:
    with redis.Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=TIMEOUT_SECONDS,
        socket_connect_timeout=TIMEOUT_SECONDS,
    ) as client:
        client.ping()


def _storage() -> None:
    object_storage().check()
