"""Answers of serializers that are made once: to copy their fields takes longer than to use them."""

from collections.abc import Callable
from functools import cache
from typing import Any

from rest_framework import serializers
from rest_framework.serializers import BaseSerializer


class OptionalTextField(serializers.CharField):
    """A text of an answer, null where the stored text is empty."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"read_only": True, "allow_null": True} | options)

    def to_representation(self, value: str) -> Any:
        return super().to_representation(value) or None


def serialize(serializer: type[BaseSerializer[Any]], instance: Any) -> dict[str, Any]:
    """As ``serializer(instance).data``, for serializers that ask nothing of their context."""
    make: Any = serializer  # of which the types say that it has no hash
    represented: dict[str, Any] = _made(make).to_representation(instance)
    return represented


@cache
def _made(serializer: Callable[[], BaseSerializer[Any]]) -> BaseSerializer[Any]:
    return serializer()
