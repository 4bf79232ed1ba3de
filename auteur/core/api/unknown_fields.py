"""Refusal of fields and query parameters that an operation does not define."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from drf_spectacular.extensions import OpenApiSerializerExtension
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError

CODE = "unknown_parameter"
MAX_COMPARED_LENGTH = 50
"""A longer name is not compared with the defined names."""


def find_unknown_fields(
    data: Iterable[Any], field_names: Iterable[str]
) -> dict[str, list[ErrorDetail]]:
    """Return an error for each name in ``data`` that is not a field name."""
    names = frozenset(field_names)
    return {str(name): [_build_error(str(name), names)] for name in data if name not in names}


def _build_error(name: str, field_names: frozenset[str]) -> ErrorDetail:
    detail = "Unknown field."
    if len(name) <= MAX_COMPARED_LENGTH and (
        matches := get_close_matches(name, sorted(field_names), n=1)
    ):
        detail = f"Unknown field. Did you mean {matches[0]}?"
    return ErrorDetail(detail, code=CODE)


class RequestSerializer(serializers.Serializer[Any]):
    """A serializer of a request's body, or of an object in it, which refuses unknown fields."""

    def to_internal_value(self, data: Any) -> Any:
        """Raise ``ValidationError`` with the unknown fields beside those that have wrong values."""
        unknown = find_unknown_fields(data, self.fields) if isinstance(data, Mapping) else {}
        try:
            value = super().to_internal_value(data)
        except ValidationError as exc:
            if not unknown or not isinstance(exc.detail, dict):
                raise
            raise ValidationError({**exc.detail, **unknown}) from exc
        if unknown:
            raise ValidationError(unknown)
        return value


class RequestSchema(OpenApiSerializerExtension):
    """An extension that describes the bodies of requests in OpenAPI as closed to other fields."""

    target_class = RequestSerializer
    match_subclasses = True

    def map_serializer(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        schema: dict[str, Any] = auto_schema._map_serializer(
            self.target, direction, bypass_extensions=True
        )
        return {**schema, "additionalProperties": False} if direction == "request" else schema
