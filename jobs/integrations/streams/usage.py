"""Count how the API is used, in memory and then in rows, until a sink has the counts.

A killed process loses at most ``FLUSH_SECONDS`` of its counts. The counts are for statistics only
and no money depends on them. They hold the user's id and the route, and nothing else of a request.
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

from auteur.core.api.waiting import REPEATED_KEY
from jobs import sql
from jobs.integrations.streams.models import ApiUsage
from jobs.integrations.streams.names import ANALYTICS
from jobs.integrations.streams.records import Record, to_milliseconds

logger = logging.getLogger(__name__)

EVENT = "api.usage"
FLUSH_SECONDS = 10.0
LAST_FLUSH_SECONDS = 3.0
"""The longest time that the last flush delays the end of a process."""
MAX_COUNTERS = 10_000
"""How many distinct uses are counted between two flushes. Further ones are dropped."""
MAX_ROWS = 1_000_000
"""About how many rows may wait for a sink. While they do, no row is added."""
_OTHER_METHOD = "OTHER"
_METHODS = {method.value for method in HTTPMethod}
_PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")


class Use(NamedTuple):
    """The properties by which requests are counted together."""

    user_id: UUID
    route: str
    """For example `/jobs/{job_id}`."""
    method: str
    status_class: str
    """The class of the answers' status, for example `2xx`."""


_counts: Counter[Use] = Counter()
_lock = threading.Lock()


class CountUsage:
    """Middleware that counts the API requests of signed-in users, whatever their answer is."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        if settings.STREAMS_SINK == "none":
            raise MiddlewareNotUsed("nobody would take what was counted")
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer the request, then count it."""
        response = self.get_response(request)
        if (use := _find_use(request, response)) is not None:
            _add_counts({use: 1})
        return response


def _find_use(request: HttpRequest, response: HttpResponseBase) -> Use | None:
    match, user = request.resolver_match, getattr(request, "user", None)
    # The API's views set a user or None. The admin's user is lazy, and reading it would query.
    user_id = None if isinstance(user, SimpleLazyObject) else getattr(user, "pk", None)
    if match is None or user_id is None or REPEATED_KEY in request.META:
        return None
    method = request.method if request.method in _METHODS else _OTHER_METHOD
    return Use(user_id, _build_path(match.route), method, f"{response.status_code // 100}xx")


@cache
def _build_path(route: str) -> str:
    return "/" + _PARAMETER.sub(r"{\1}", route)


def _add_counts(counts: dict[Use, int]) -> None:
    with _lock:
        for use, requests in counts.items():
            if use in _counts or len(_counts) < MAX_COUNTERS:
                _counts[use] += requests


def flush() -> None:
    """Write the counts to rows. If the database is away, keep them for the next flush."""
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
        ((row_count,),) = sql.run("add_usage", rows=json.dumps(rows), most=MAX_ROWS)
    except Error as exc:
        logger.warning("usage is not stored yet: %s", type(exc).__name__)
        _add_counts(counts)
        return
    if not row_count:
        logger.warning("usage is not stored: %d rows wait for a sink", MAX_ROWS)


def flush_regularly() -> None:
    """Start a thread that flushes regularly, and flush when the process ends."""
    threading.Thread(target=_flush_forever, name="usage", daemon=True).start()
    atexit.register(flush)
    # Other threads must not set signal handlers.
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _flush_and_end)


def _flush_forever() -> None:
    while True:
        time.sleep(FLUSH_SECONDS)
        flush()
        connection.close()  # An idle connection of this thread is not worth keeping.


def _flush_and_end(number: int, frame: FrameType | None) -> None:
    """Flush, then end the process by the default handler of the signal.

    After its shutdown, uvicorn sends itself the signal again from inside its event loop. The flush
    therefore runs in a thread of its own.
    """
    thread = threading.Thread(target=flush, daemon=True)
    thread.start()
    thread.join(LAST_FLUSH_SECONDS)
    signal.signal(number, signal.SIG_DFL)
    signal.raise_signal(number)


def list_oldest(limit: int) -> list[tuple[int, Record]]:
    """Return the oldest usage rows as pairs of id and record. They stay until `forget`."""
    return [(row.pk, _build_record(row)) for row in ApiUsage.objects.order_by("pk")[:limit]]


def delete_rows(ids: Iterable[int]) -> None:
    """Delete rows that the sink has received."""
    ApiUsage.objects.filter(pk__in=list(ids)).delete()


def _build_record(row: ApiUsage) -> Record:
    value = {
        "event": EVENT,
        "user_id": str(row.user_id),
        "timestamp": to_milliseconds(row.counted_at),
        "usage_id": row.pk,
        "route": row.route,
        "method": row.method,
        "status_class": row.status_class,
        "requests": row.requests,
    }
    return Record(ANALYTICS, str(row.user_id), value, row.counted_at, seq=None)
