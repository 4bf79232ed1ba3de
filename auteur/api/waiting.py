"""Requests whose answer may improve within seconds: the server asks the view again, later.

A thread is used only while Django works on a request, so a view never waits itself. It answers
what is true now and calls `answer_later`; the server (`auteur.server.waits`) holds that answer back
until what the view waits for has ended, and then runs the same request once more. So only requests
that can be carried out twice may do this. Servers that do not know of it send the first answer.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from uuid import UUID

from rest_framework.request import Request

from auteur.api.requests import user_id

WAIT_KEY = "auteur.wait"
"""Where a view leaves its `Wait`, in the environment of the request."""
REPEATED_KEY = "auteur.repeated"
"""In the environment of a request that is run once more: it is neither throttled nor counted."""
WAIT_SECONDS = 3.0
"""Longest wait of a request."""


@dataclass(frozen=True)
class Wait:
    """What a request waits for: the row with this id, until ``find_ended`` returns its id.

    ``find_ended`` is asked for all waiting rows of a kind at once.
    """

    who: str
    row_id: UUID
    find_ended: Callable[[Collection[UUID]], Collection[UUID]]
    seconds: float


def answer_later(
    request: Request, *, row_id: UUID, find_ended: Callable[[Collection[UUID]], Collection[UUID]]
) -> None:
    """Ask the server to run the request again when ``find_ended`` returns the row, if it can wait.

    A request that is already run again is answered.
    """
    if not is_repeated(request):
        who = str(user_id(request))
        request._request.META[WAIT_KEY] = Wait(who, row_id, find_ended, WAIT_SECONDS)


def is_repeated(request: Request) -> bool:
    """Return True if the request is run once more after a wait."""
    return REPEATED_KEY in request._request.META
