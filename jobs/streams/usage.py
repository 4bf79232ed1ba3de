"""How the API is used: counted in memory, then in rows until a stream has told it.

What a killed process has counted is lost, at most ``FLUSH_SECONDS`` of it: this is for statistics,
and no money follows from it. Of who asked it says the user's id, of what no more than the route.
"""

import atexit
import json
import logging
import re
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from functools import cache
from http import HTTPMethod
from types import FrameType
from typing import NamedTuple
from uuid import UUID

from django.conf import settings
from django.core.exceptions import MiddlewareNotUsed
from django.db import Error, connection
from django.http import HttpRequest, HttpResponseBase
from django.utils.functional import SimpleLazyObject

from auteur.api.waiting import REPEATED_KEY
from jobs import sql
from jobs.streams.models import ApiUsage
from jobs.streams.names import ANALYTICS
from jobs.streams.records import Record, milliseconds

logger = logging.getLogger(__name__)

EVENT = "api.usage"
FLUSH_SECONDS = 10.0
LAST_FLUSH_SECONDS = 3.0
"""No process stays longer for it when it is told to end."""
MAX_COUNTERS = 10_000
"""Different ones between two flushes; what is asked beyond them is not counted."""
MAX_ROWS = 1_000_000
"""About so many wait for a sink; while they do, nothing is added."""
_OTHER_METHOD = "OTHER"
_METHODS = {method.value for method in HTTPMethod}
_PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")


class Use(NamedTuple):
    """What is counted together."""

    user_id: UUID
    route: str
    """Such as `/jobs/{job_id}`."""
    method: str
    status_class: str
    """Of the answers: `2xx`."""


_counts: Counter[Use] = Counter()
_lock = threading.Lock()


class CountUsage:
    """Middleware that counts what signed-in users ask of the API, however it is answered."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        if settings.STREAMS_SINK == "none":
            raise MiddlewareNotUsed("nobody would take what was counted")
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer, then count."""
        response = self.get_response(request)
        if (use := _use(request, response)) is not None:
            _count({use: 1})
        return response


def _use(request: HttpRequest, response: HttpResponseBase) -> Use | None:
    match, user = request.resolver_match, getattr(request, "user", None)
    # The API's views put a user there, or none; the admin's is looked up when it is asked for.
    user_id = None if isinstance(user, SimpleLazyObject) else getattr(user, "pk", None)
    if match is None or user_id is None or REPEATED_KEY in request.META:
        return None
    method = request.method if request.method in _METHODS else _OTHER_METHOD
    return Use(user_id, _path(match.route), method, f"{response.status_code // 100}xx")


@cache
def _path(route: str) -> str:
    return "/" + _PARAMETER.sub(r"{\1}", route)


def _count(counts: dict[Use, int]) -> None:
    with _lock:
        for use, requests in counts.items():
            if use in _counts or len(_counts) < MAX_COUNTERS:
                _counts[use] += requests


def flush() -> None:
    """Make rows of what was counted; with the database away, later."""
    with _lock:
        counts = dict(_counts)
        _counts.clear()
    if not counts:
        return
    rows = [
        use._asdict() | {"user_id": str(use.user_id), "requests": requests}
        for use, requests in counts.items()
    ]
    try:
        ((added,),) = sql.run("add_usage", rows=json.dumps(rows), most=MAX_ROWS)
    except Error as exc:
        logger.warning("usage is not stored yet: %s", type(exc).__name__)
        _count(counts)
        return
    if not added:
        logger.warning("usage is not stored: %d rows wait for a sink", MAX_ROWS)


def flush_regularly() -> None:
    """From now on, in a thread of this process, and when it ends."""
    threading.Thread(target=_flush_forever, name="usage", daemon=True).start()
    atexit.register(flush)
    if threading.current_thread() is threading.main_thread():  # no other may
        signal.signal(signal.SIGTERM, _flush_and_end)


def _flush_forever() -> None:
    while True:
        time.sleep(FLUSH_SECONDS)
        flush()
        connection.close()  # this thread's own; it is not worth keeping


def _flush_and_end(number: int, frame: FrameType | None) -> None:
    """When uvicorn has shut down it sends itself the signal again, from inside its event loop."""
    last = threading.Thread(target=flush, daemon=True)
    last.start()
    last.join(LAST_FLUSH_SECONDS)
    signal.signal(number, signal.SIG_DFL)
    signal.raise_signal(number)


def take(limit: int) -> list[tuple[int, Record]]:
    """The oldest rows of usage as records, by id; they stay until `forget`."""
    return [(row.pk, _record(row)) for row in ApiUsage.objects.order_by("pk")[:limit]]


def forget(ids: Iterable[int]) -> None:
    """The sink has them."""
    ApiUsage.objects.filter(pk__in=list(ids)).delete()


def _record(row: ApiUsage) -> Record:
    value = {
        "event": EVENT,
        "user_id": str(row.user_id),
        "timestamp": milliseconds(row.counted_at),
        "usage_id": row.pk,
        "route": row.route,
        "method": row.method,
        "status_class": row.status_class,
        "requests": row.requests,
    }
    return Record(ANALYTICS, str(row.user_id), value, row.counted_at, seq=None)
