"""The base classes of the API's views. They refuse what an operation does not document."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from django.db.models import Model
from drf_spectacular.utils import OpenApiParameter
from rest_framework import generics, views
from rest_framework.exceptions import ValidationError
from rest_framework.parsers import JSONParser
from rest_framework.request import Request

from auteur.core.api.problem_responses import WITH_BODIES
from auteur.core.api.unknown_fields import find_unknown_fields

Row = TypeVar("Row", bound=Model)


@dataclass(frozen=True)
class OperationInput:
    """The query parameters and body that the OpenAPI schema of one operation documents."""

    query_parameters: frozenset[str]
    has_body: bool


_documented: dict[tuple[type, str], OperationInput | None] = {}


class _Strict:
    """A mixin that refuses undocumented query parameters, and bodies if the operation has none.

    Unknown fields of a documented body are refused by its serializer (`RequestSerializer`).
    """

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Authenticate, check permissions and throttle; then raise ``ValidationError``."""
        super().initial(request, *args, **kwargs)  # type: ignore[misc]
        documented = _get_input(self, str(request.method))
        if documented is None:
            return
        if request.META.get("QUERY_STRING"):
            unknown = find_unknown_fields(request.query_params, documented.query_parameters)
            if unknown:
                raise ValidationError(unknown)
        if request.method in WITH_BODIES and not documented.has_body and _has_json_body(request):
            body = request.data
            if unknown := find_unknown_fields(body if isinstance(body, Mapping) else ["body"], ()):
                raise ValidationError(unknown)


class APIView(_Strict, views.APIView):
    """The base class of the API's views."""


class ListAPIView(_Strict, generics.ListAPIView[Row]):
    """The base class of the API's lists."""


def _has_json_body(request: Request) -> bool:
    if request.META.get("CONTENT_LENGTH") in (None, "", "0"):
        return False
    media_type = str(request.content_type).partition(";")[0].strip().lower()
    return media_type == JSONParser.media_type


def _get_input(view: Any, method: str) -> OperationInput | None:
    """Return what the method documents, read once from its schema; None if it is not documented."""
    key = (type(view), "GET" if method == "HEAD" else method)
    if key not in _documented:
        _documented[key] = _read_schema(view, key[1])
    return _documented[key]


def _read_schema(view: Any, method: str) -> OperationInput | None:
    handler = getattr(view, method.lower(), None)
    if handler is None:
        return None
    schema = (getattr(handler, "kwargs", {}).get("schema") or type(view.schema))()
    schema.view, schema.method = view, method
    if schema.is_excluded():
        return None
    return OperationInput(
        query_parameters=frozenset(_query_parameters(view, method, schema)),
        has_body=method in WITH_BODIES and schema.get_request_serializer() is not None,
    )


def _query_parameters(view: Any, method: str, schema: Any) -> Iterator[str]:
    for parameter in schema.get_override_parameters():
        if not isinstance(parameter, OpenApiParameter):
            serializer = parameter() if isinstance(parameter, type) else parameter
            yield from serializer.fields
        elif parameter.location == OpenApiParameter.QUERY:
            yield parameter.name
    if method == "GET" and (pagination := getattr(view, "pagination_class", None)):
        parameters = pagination().get_schema_operation_parameters(view)
        yield from (parameter["name"] for parameter in parameters)
