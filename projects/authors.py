"""Describe the author of an edit, a user or one of their API keys, in stored and public form."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast

from rest_framework.request import Request

from auteur.core.api.requests import KeyAuth, user_id
from projects.timeline.content import Author
from projects.timeline.history import Attribution


def get_author(request: Request) -> Author:
    """Return the author of the edits that a request makes."""
    if isinstance(request.auth, KeyAuth):
        return {"type": "api_key", "id": str(request.auth.id), "name": request.auth.name}
    return {"type": "user", "id": str(user_id(request))}


def describe_author(request: Request, attribution: Attribution) -> dict[str, Any]:
    """Return author and operations of an edit; both are None if they were not recorded.

    Only its user reads a project, so the name of a user is that of the caller.
    """
    author = attribution.author
    if author is None:
        return {"author": None, "operations": attribution.operations}
    name = author["name"] if "name" in author else cast(Any, request.user).name
    return {"author": {**author, "name": name}, "operations": attribution.operations}


def list_edits(request: Request, stack: Sequence[Attribution]) -> list[dict[str, Any]]:
    """Return the edits of a stack, each with its depth, counted from 1."""
    return [
        {
            "depth": depth,
            "made_at": cast(datetime, attribution.made_at),
            **describe_author(request, attribution),
        }
        for depth, attribution in enumerate(stack, start=1)
    ]
