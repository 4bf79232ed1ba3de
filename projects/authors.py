"""Who makes an edit, a user or one of their API keys: as it is kept, and as clients see it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast

from rest_framework.request import Request

from auteur.api.requests import KeyAuth, user_id
from projects.timeline.content import Author
from projects.timeline.history import Attribution


def author_of(request: Request) -> Author:
    """Whoever sends the request."""
    if isinstance(request.auth, KeyAuth):
        return {"type": "api_key", "id": str(request.auth.id), "name": request.auth.name}
    return {"type": "user", "id": str(user_id(request))}


def describe_author(request: Request, attribution: Attribution) -> dict[str, Any]:
    """Whose edit it was, and by which operations; both are None where nobody has written it down.

    Nobody but its user reads a project, so a user's name is that of whoever asks.
    """
    author = attribution.author
    if author is None:
        return {"author": None, "operations": attribution.operations}
    name = author["name"] if "name" in author else cast(Any, request.user).name
    return {"author": {**author, "name": name}, "operations": attribution.operations}


def list_edits(request: Request, stack: Sequence[Attribution]) -> list[dict[str, Any]]:
    """The edits of a stack, each with how many steps away it is."""
    return [
        {"depth": depth, "made_at": cast(datetime, each.made_at), **describe_author(request, each)}
        for depth, each in enumerate(stack, start=1)
    ]
