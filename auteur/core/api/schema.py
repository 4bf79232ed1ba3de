"""The API's OpenAPI 3.1 document, with one problem schema for all errors.

Each operation also states the scope that an API key needs, and its cost in points.
"""

from typing import Any

from django.core.validators import StepValueValidator
from drf_spectacular.contrib.pydantic import PydanticExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ResolvedComponent
from pydantic.json_schema import GenerateJsonSchema, model_json_schema

from auteur.core.api.problem_responses import (
    add_responses,
    list_codes,
    list_response_codes,
    share_responses,
)
from auteur.core.api.scopes import get_scope
from auteur.core.api.throttling import POINT, get_cost

TAGS = {
    "features": "The features of this installation, with prices, limits and parameters. No token "
    "is needed.",
    "jobs": "Submit AI work, follow it, cancel it and retry it.",
    "events": "The numbered log of the events of your jobs.",
    "webhooks": "Events sent to your own servers.",
    "projects": "Projects with their timelines (EDL), transcripts and media.",
    "media": "Uploaded files and results.",
    "voices": "Samples of voices, with consent.",
    "consents": "Consents of people to the use of their voices and faces.",
    "credits": "Your balance and its history.",
    "billing": "Buy credits and plans.",
    "auth": "Verify an access token.",
    "users": "Your profile and account.",
    "api-keys": "Keys for your own programs.",
}
"""The description of each first path segment, in the order of the documentation."""

PROBLEM = {
    "type": "object",
    "description": "A problem document, RFC 9457.",
    "required": ["type", "title", "status", "code", "detail"],
    "properties": {
        "type": {
            "type": "string",
            "format": "uri-reference",
            "description": "The address of an explanation of the code.",
        },
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"$ref": "#/components/schemas/ProblemCode"},
        "detail": {"type": "string", "description": "For people; may change."},
        "errors": {"type": "array", "items": {"$ref": "#/components/schemas/FieldError"}},
        "resource": {
            "type": "string",
            "description": "For `not_found`: the kind of the missing object, such as `job`.",
        },
    },
    "additionalProperties": True,
}
FIELD_ERROR = {
    "type": "object",
    "description": "An error of one field.",
    "required": ["field", "code", "detail"],
    "properties": {
        "field": {
            "type": "string",
            "description": "Its path, such as `operations.3.out_point_ms`.",
        },
        "code": {"type": "string", "description": "Stable; for programs."},
        "detail": {"type": "string", "description": "For people; may change."},
    },
}
PROBLEM_CODE = {
    "type": "string",
    "description": "The kind of the problem; stable, for programs. New codes will be added, so "
    "treat an unknown code by its status.",
}


class Schema(AutoSchema):
    """The schema of a view: operations are tagged by the first segment of their path."""

    def get_tags(self) -> list[str]:
        return [self.path.strip("/").split("/")[0]]

    def get_operation(self, *args: Any, **kwargs: Any) -> dict[str, Any] | None:
        """Add the problems, ``x-api-key-scope`` and ``x-rate-limit-points`` to the operation.

        The scope is null if no key may use the operation.
        """
        operation: dict[str, Any] | None = super().get_operation(*args, **kwargs)
        if operation is not None:
            scope = get_scope(self.view, self.method)
            operation["x-api-key-scope"] = scope and scope.value
            add_responses(operation, list_codes(self.view, self.method, operation))
            operation["x-rate-limit-points"] = get_cost(self.view, self.method) / POINT
        return operation

    def _insert_field_validators(self, field: Any, schema: dict[str, Any]) -> None:
        """Add ``multipleOf``, the one number validator that drf-spectacular leaves out."""
        super()._insert_field_validators(field, schema)
        for validator in field.validators:
            if isinstance(validator, StepValueValidator):
                schema["multipleOf"] = validator.limit_value


SHAPE = "Shape"
"""The suffix of the models of requests. The same model in a response has the name without it."""


class Answers(GenerateJsonSchema):
    """A generator of JSON Schema for Pydantic models in responses."""

    def field_is_required(self, field: Any, total: bool) -> bool:
        """Return True unless the field has `exclude_if`: a response includes all other fields."""
        return "serialization_exclude_if" not in field

    def normalize_name(self, name: str) -> str:
        return super().normalize_name(name).removesuffix(SHAPE)


class PydanticModels(PydanticExtension):
    """An extension that describes Pydantic models in requests, and in responses by `Answers`."""

    priority = 1

    def get_name(self, auto_schema: AutoSchema, direction: str) -> str:
        name: str = super().get_name(auto_schema, direction)
        return name if direction == "request" else name.removesuffix(SHAPE)

    def map_serializer(self, auto_schema: AutoSchema, direction: str) -> dict[str, Any]:
        """Return the schema. Its parts become components."""
        if direction == "request":
            request_schema: dict[str, Any] = super().map_serializer(auto_schema, direction)
            return request_schema
        schema = model_json_schema(
            self.target,
            ref_template="#/components/schemas/{model}",
            schema_generator=Answers,
            mode="serialization",
        )
        kind = ResolvedComponent.SCHEMA
        # Client generators name classes by the title.
        schema["title"] = self.get_name(auto_schema, direction)
        for name, part in schema.pop("$defs", {}).items():
            component = ResolvedComponent(
                name=name, type=kind, object=name, schema=part | {"title": name}
            )
            auto_schema.registry.register_on_missing(component)
        return schema


def add_problem_responses(
    result: dict[str, Any], generator: Any, request: Any, public: bool
) -> dict[str, Any]:
    """Add the problem schemas, and move responses of several operations to components."""
    schemas = result["components"].setdefault("schemas", {})
    codes = {
        code
        for path in result["paths"].values()
        for operation in path.values()
        for response in operation["responses"].values()
        for code in list_response_codes(response)
    }
    schemas["Problem"] = PROBLEM
    schemas["FieldError"] = FIELD_ERROR
    schemas["ProblemCode"] = PROBLEM_CODE | {"enum": sorted(codes)}
    response = {
        "description": "An error.",
        "content": {
            "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
        },
    }
    for path in result["paths"].values():
        for operation in path.values():
            operation["responses"].setdefault("default", response)
    share_responses(result)
    return result


def order_by_tag(
    result: dict[str, Any], generator: Any, request: Any, public: bool
) -> dict[str, Any]:
    """Sort the paths by the order of `TAGS`; paths of other tags come last."""
    order = list(TAGS)

    def position(path: str) -> tuple[int, str]:
        tag = path.strip("/").split("/")[0]
        return (order.index(tag) if tag in order else len(order), path)

    result["paths"] = {
        path: result["paths"][path] for path in sorted(result["paths"], key=position)
    }
    result["tags"] = [{"name": name, "description": text} for name, text in TAGS.items()]
    return result
