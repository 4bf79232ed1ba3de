"""Each request has an id: in its answer, its lines of the log, and the events that it causes."""

import re
import uuid
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
        request_id = given if GIVEN.fullmatch(given) else uuid.uuid4().hex
        with ids.bound(request=request_id):
            response = self.get_response(request)
        response[HEADER] = request_id
        return response
