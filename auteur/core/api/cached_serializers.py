"""Serializers of responses, each instantiated once, because copying their fields takes long."""

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
    """Return ``serializer(instance).data``, for serializers that do not use their context."""
    factory: Any = serializer  # The type stubs say that a serializer class has no hash.
    data: dict[str, Any] = _get_instance(factory).to_representation(instance)
    return data


@cache
def _get_instance(serializer: Callable[[], BaseSerializer[Any]]) -> BaseSerializer[Any]:
    return serializer()
