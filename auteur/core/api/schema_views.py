"""The views of `/schema` and `/docs`, which are rendered once, as they are equal for everybody."""

import copy
import hashlib
import threading
from typing import Any, ClassVar
from urllib.parse import urlencode

from django.http import HttpResponse, HttpResponseBase, QueryDict
from django.utils.cache import get_conditional_response
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView


class _CachedView(APIView):
    """A view whose responses are equal for everybody, so each process renders them once."""

    throttle_classes = ()
    _cache: ClassVar[dict[tuple[object, ...], tuple[bytes, dict[str, str]]]] = {}
    _lock: ClassVar[threading.Lock] = threading.Lock()

    @extend_schema(exclude=True)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Return the response, or 304 if the client has it."""
        key = (type(self), type(request.accepted_renderer), "script" in request.query_params)
        with self._lock:
            if key not in self._cache:
                self.request = self._anonymize_request(request)
                response = super().get(self.request, *args, **kwargs)  # type: ignore[misc]
                self._cache[key] = _render_response(self.finalize_response(self.request, response))
        body, headers = self._cache[key]
        full_response = HttpResponse(body, headers=headers)
        django_request = request._request
        return (
            get_conditional_response(django_request, headers["ETag"], response=full_response)
            or full_response
        )

    def _anonymize_request(self, request: Request) -> Request:
        """Return the request without the sender's own data, because others get the response too."""
        django_request = copy.copy(request._request)
        private_keys = {"HTTP_COOKIE", "CSRF_COOKIE"}
        django_request.META = {
            name: value for name, value in request.META.items() if name not in private_keys
        }
        django_request.COOKIES = {}
        query = request.query_params
        parameters = {name: query[name] for name in ("script", "format") if name in query}
        django_request.GET = QueryDict(urlencode(parameters))
        anonymous_request: Request = self.initialize_request(django_request)
        anonymous_request.version, anonymous_request.versioning_scheme = (
            request.version,
            request.versioning_scheme,
        )
        anonymous_request.accepted_renderer = request.accepted_renderer
        anonymous_request.accepted_media_type = request.accepted_media_type
        return anonymous_request


def _render_response(response: Response) -> tuple[bytes, dict[str, str]]:
    response.render()
    digest = hashlib.sha256(response.content).hexdigest()[:32]
    return response.content, {
        **response.headers,
        "ETag": f'"{digest}"',
        "Cache-Control": "no-cache",
    }


class SchemaView(_CachedView, SpectacularAPIView):
    """The view of `/schema`."""


class DocsView(_CachedView, SpectacularSwaggerSplitView):
    """The view of `/docs`."""

    url_self = "/docs"
