"""The studio at `/studio`, the start address `/`, and the icon of both.

What is built from ``clients/studio`` is served as static files; decision 53 says how and why.
"""

from functools import cache
from typing import ClassVar
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.loader import render_to_string
from django.urls import path
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_safe
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import development
from accounts.signup import MAX_EMAIL_CHARS, AccountInactiveProblem, EmailRequiredProblem
from auteur.api.problems import NotFoundProblem, Resource
from auteur.api.unknown_fields import RequestSerializer
from auteur.api.views import APIView
from media.storage import object_storage

START_TYPES = ("application/json", "text/html")
"""What `/` answers in; the first where a request has no preference, as those of programs."""
ICON_SECONDS = 86_400
PROBE = "studio/origin"
"""A key of no object: a URL of it shows where the storage is."""


@require_safe
def start(request: HttpRequest) -> HttpResponse:
    """Redirect browsers to the studio; tell programs where the API's documents are."""
    response: HttpResponse
    if request.get_preferred_type(START_TYPES) == "text/html":
        response = HttpResponseRedirect("/studio")
    else:
        names = ("docs", "schema", "help", "studio")
        addresses = {name: f"{settings.PUBLIC_URL}/{name}" for name in names}
        response = JsonResponse({"name": "Auteur", **addresses})
    patch_vary_headers(response, ["Accept"])
    return response


@require_safe
def icon(request: HttpRequest) -> HttpResponse:
    """Return the icon that browsers show beside an address."""
    headers = {"Cache-Control": f"public, max-age={ICON_SECONDS}"}
    return HttpResponse(_icon(), content_type="image/svg+xml", headers=headers)


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """The page as it was built, or how to build it."""
    index = settings.STUDIO_DIR / "index.html"
    if index.is_file():
        response = HttpResponse(index.read_bytes())
    else:
        response = HttpResponse(render_to_string("studio/missing.html"), status=503)
    response.headers["Content-Security-Policy"] = policy()
    response.headers["Cache-Control"] = "no-cache"
    return response


@require_safe
def config(request: HttpRequest) -> JsonResponse:
    """Where events are, and how one signs in here; nothing secret."""
    has_supabase = bool(settings.SUPABASE_ANON_KEY)
    told = {
        "live_url": settings.LIVE_URL,
        "supabase": {
            "auth_url": settings.SUPABASE_JWT_ISSUER,
            "anon_key": settings.SUPABASE_ANON_KEY,
        }
        if has_supabase
        else None,
        "development_sign_in": settings.DEVELOPMENT_SIGN_IN,
    }
    return JsonResponse(told, headers={"Cache-Control": "no-cache"})


class _SignIn(RequestSerializer):
    email = serializers.CharField(max_length=MAX_EMAIL_CHARS)


class DevelopmentSignInView(APIView):
    """A token for an address, on a developer's own machine; else there is no such thing (404)."""

    authentication_classes = ()
    permission_classes = ()
    problems: ClassVar = {"POST": (EmailRequiredProblem, AccountInactiveProblem, NotFoundProblem)}

    @extend_schema(exclude=True)
    def post(self, request: Request) -> Response:
        """The token."""
        if not settings.DEVELOPMENT_SIGN_IN:
            raise NotFoundProblem(Resource.ADDRESS)
        given = _SignIn(data=request.data)
        given.is_valid(raise_exception=True)
        return Response({"access_token": development.sign_in(given.validated_data["email"])})


def policy() -> str:
    """The page's Content Security Policy: nothing but what it works with, and nothing inline."""
    files = " ".join(dict.fromkeys(("'self'", _origin(settings.PUBLIC_URL), _storage_origin())))
    asked = [files, _origin(settings.LIVE_URL)]
    if settings.SUPABASE_ANON_KEY:
        asked.append(_origin(settings.SUPABASE_JWT_ISSUER))
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "font-src 'self'",
            f"img-src {files} data: blob:",
            f"media-src {files} blob:",
            f"connect-src {' '.join(asked)}",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    )


@cache
def _icon() -> str:
    return render_to_string("studio/icon.svg")


@cache
def _storage_origin() -> str:
    return _origin(object_storage().presigned_get(PROBE))


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


urlpatterns = [
    path("studio", page, name="studio"),
    path("studio/", page),
    path("studio/config.json", config),
    path("studio/sign-in", DevelopmentSignInView.as_view()),
    path("favicon.ico", icon),
]
