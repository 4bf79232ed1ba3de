"""Each request has an id: in its answer, its lines of the log, and the events that it causes.

There is an index of these, so ours rise with time (docs/decisions/0046).
"""

import random
import re
import time
from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase

from auteur import ids

HEADER = "X-Request-ID"
GIVEN = re.compile(r"[A-Za-z0-9_-]{16,64}", re.ASCII)
"""What a client or proxy may call its request: long enough to be its own, and harmless in a log."""


class RequestId:
    """Middleware that takes the caller's id, or makes one, and answers with it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer with the id bound to all that is done meanwhile."""
        given = request.headers.get(HEADER, "")
        request_id = given if GIVEN.fullmatch(given) else _new_id()
        with ids.bind_ids(request=request_id):
            response = self.get_response(request)
        response[HEADER] = request_id
        return response


def _new_id() -> str:
    """The time in milliseconds, and 80 random bits.

    No secret: a UUID would ask the kernel, which takes the interpreter's lock from us.
    """
    return f"{time.time_ns() // 1_000_000:012x}{random.getrandbits(80):020x}"
