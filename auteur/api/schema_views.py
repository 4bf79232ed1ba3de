"""`/schema` and `/docs`: made once, since they are the same for everybody."""

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


class _RenderedOnce(APIView):
    """A view whose answers are the same for everybody: each is rendered once in a process."""

    throttle_classes = ()
    _cache: ClassVar[dict[tuple[object, ...], tuple[bytes, dict[str, str]]]] = {}
    _making: ClassVar[threading.Lock] = threading.Lock()

    @extend_schema(exclude=True)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """The answer, or 304 for those who have it."""
        key = (type(self), type(request.accepted_renderer), "script" in request.query_params)
        with self._making:
            if key not in self._cache:
                self.request = self._of_nobody(request)
                made = super().get(self.request, *args, **kwargs)  # type: ignore[misc]
                self._cache[key] = _render(self.finalize_response(self.request, made))
        body, headers = self._cache[key]
        whole = HttpResponse(body, headers=headers)
        django_request = request._request
        return get_conditional_response(django_request, headers["ETag"], response=whole) or whole

    def _of_nobody(self, request: Request) -> Request:
        """The same request without what is its sender's own: others get the answer too."""
        plain = copy.copy(request._request)
        own = {"HTTP_COOKIE", "CSRF_COOKIE"}
        plain.META = {name: value for name, value in request.META.items() if name not in own}
        plain.COOKIES = {}
        asked = request.query_params
        known = {name: asked[name] for name in ("script", "format") if name in asked}
        plain.GET = QueryDict(urlencode(known))
        made: Request = self.initialize_request(plain)
        made.version, made.versioning_scheme = request.version, request.versioning_scheme
        made.accepted_renderer = request.accepted_renderer
        made.accepted_media_type = request.accepted_media_type
        return made


def _render(made: Response) -> tuple[bytes, dict[str, str]]:
    made.render()
    digest = hashlib.sha256(made.content).hexdigest()[:32]
    return made.content, {**made.headers, "ETag": f'"{digest}"', "Cache-Control": "no-cache"}


class SchemaView(_RenderedOnce, SpectacularAPIView):
    """`/schema`."""


class DocsView(_RenderedOnce, SpectacularSwaggerSplitView):
    """`/docs`."""

    url_self = "/docs"
