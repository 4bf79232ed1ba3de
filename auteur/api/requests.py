"""Who asks."""

from typing import cast
from uuid import UUID

from rest_framework.request import Request


def user_id(request: Request) -> UUID:
    """The signed-in user's id; every endpoint but the listed open ones has one."""
    return cast(UUID, request.user.pk)
