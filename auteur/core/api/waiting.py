"""Delayed responses: a request runs again when the row that it waits for has ended.

A thread is used only while Django works on a request, so a view never waits itself. It returns the
current response and calls `answer_later`. The server (`auteur.server.waits`) holds that response
back until the row has ended, and then runs the same request once more. So only requests that can
run twice may do this. Other servers send the first response.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from uuid import UUID

from rest_framework.request import Request

from auteur.core.api.requests import user_id

WAIT_KEY = "auteur.wait"
"""The key under which a view stores its `Wait` in the request's environment."""
REPEATED_KEY = "auteur.repeated"
"""The key that marks a repeated request in its environment. It is neither throttled nor counted."""
WAIT_SECONDS = 3.0
"""The longest wait of a request."""


@dataclass(frozen=True)
class Wait:
    """The row that a request waits for, until ``find_ended`` returns its id.

    ``find_ended`` is called for all waiting rows of a kind at once.
    """

    owner: str
    row_id: UUID
    find_ended: Callable[[Collection[UUID]], Collection[UUID]]
    seconds: float


def answer_later(
    request: Request, *, row_id: UUID, find_ended: Callable[[Collection[UUID]], Collection[UUID]]
) -> None:
    """Ask the server to run the request again when ``find_ended`` returns the row.

    Do nothing if the request already runs again.
    """
    if not is_repeated(request):
        owner = str(user_id(request))
        request._request.META[WAIT_KEY] = Wait(owner, row_id, find_ended, WAIT_SECONDS)


def is_repeated(request: Request) -> bool:
    """Return True if the request is run once more after a wait."""
    return REPEATED_KEY in request._request.META
