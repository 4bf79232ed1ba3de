"""The id of each request: in its response, its log lines and the events that it causes.

Events are indexed by this id, so our ids rise with time (docs/decisions/0046).
"""

import random
import re
import time
from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase

from auteur.core import ids

HEADER = "X-Request-ID"
CALLER_ID = re.compile(r"[A-Za-z0-9_-]{16,64}", re.ASCII)
"""The format of ids that callers may set: long enough to be unique, and safe in a log."""


class RequestId:
    """A middleware that takes the caller's id or creates one, and returns it in a header."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Return the response; bind the id to the logs and events of the request meanwhile."""
        caller_id = request.headers.get(HEADER, "")
        request_id = caller_id if CALLER_ID.fullmatch(caller_id) else _create_id()
        with ids.bind_ids(request=request_id):
            response = self.get_response(request)
        response[HEADER] = request_id
        return response


def _create_id() -> str:
    """Return the time in milliseconds and 80 random bits.

    The id is no secret. A UUID would need a system call, which releases the interpreter's lock.
    """
    return f"{time.time_ns() // 1_000_000:012x}{random.getrandbits(80):020x}"
