"""Responses to writes, in which an API key without the scope `read` sees no content."""

from typing import Any, ClassVar

from rest_framework import serializers
from rest_framework.request import Request

from auteur.core.api.requests import KeyAuth
from auteur.core.api.scopes import Scope


class ContentSerializer(serializers.ModelSerializer[Any]):
    """A serializer that a writing view gives its ``request``, as context.

    Fields in ``CONTENT`` are then null for an API key that may not read; all of them are nullable.
    """

    CONTENT: ClassVar[tuple[str, ...]] = ()

    def to_representation(self, instance: Any) -> dict[str, Any]:
        data: dict[str, Any] = super().to_representation(instance)
        request: Request | None = self.context.get("request")
        if request is not None and not _can_read(request):
            data.update(dict.fromkeys(self.CONTENT))
        return data


def _can_read(request: Request) -> bool:
    return not isinstance(request.auth, KeyAuth) or Scope.READ in request.auth.scopes
