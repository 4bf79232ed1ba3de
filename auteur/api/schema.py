"""How the API describes itself: OpenAPI 3.1, one problem schema for all errors."""

from typing import Any

from django.core.validators import StepValueValidator
from drf_spectacular.openapi import AutoSchema

PROBLEM = {
    "type": "object",
    "description": "A problem document, RFC 9457.",
    "required": ["type", "title", "status", "code", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string", "description": "Stable; for programs."},
        "detail": {"type": "string", "description": "For people; may change."},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {name: {"type": "string"} for name in ("field", "code", "detail")},
            },
        },
    },
    "additionalProperties": True,
}


class Schema(AutoSchema):
    """Tags each operation by the first part of its path; numbers say what they are multiples of."""

    def get_tags(self) -> list[str]:
        """The room that the endpoint belongs to."""
        return [self.path.strip("/").split("/")[0]]

    def _insert_field_validators(self, field: Any, schema: dict[str, Any]) -> None:
        """With the one validator of Django's numbers that drf-spectacular leaves out."""
        super()._insert_field_validators(field, schema)
        for validator in field.validators:
            if isinstance(validator, StepValueValidator):
                schema["multipleOf"] = validator.limit_value


def add_problem_responses(
    result: dict[str, Any], generator: Any, request: Any, public: bool
) -> dict[str, Any]:
    """Say once, for every operation, what its errors look like."""
    result["components"].setdefault("schemas", {})["Problem"] = PROBLEM
    answer = {
        "description": "An error.",
        "content": {
            "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
        },
    }
    for path in result["paths"].values():
        for operation in path.values():
            operation["responses"].setdefault("default", answer)
    return result
