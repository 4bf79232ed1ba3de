"""The studio at `/studio`, the start address `/`, and the icon of both.

The files built from ``clients/studio`` are served as static files; decision 53 explains how and
why.
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
from auteur.core.api.problems import NotFoundProblem, Resource
from auteur.core.api.unknown_fields import RequestSerializer
from auteur.core.api.views import APIView
from media.storage import object_storage

START_TYPES = ("application/json", "text/html")
"""The types of `/`. The first is for requests without a preference, as those of programs are."""
ICON_SECONDS = 86_400
PROBE = "studio/origin"
"""The key of no object. A URL of it contains the storage's origin."""


@require_safe
def start(request: HttpRequest) -> HttpResponse:
    """Redirect browsers to the studio. Send programs the addresses of the API's documents."""
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
    return HttpResponse(_render_icon(), content_type="image/svg+xml", headers=headers)


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """Return the built page, or a page that explains how to build it."""
    index = settings.STUDIO_DIR / "index.html"
    if index.is_file():
        response = HttpResponse(index.read_bytes())
    else:
        response = HttpResponse(render_to_string("studio/missing.html"), status=503)
    response.headers["Content-Security-Policy"] = build_policy()
    response.headers["Cache-Control"] = "no-cache"
    return response


@require_safe
def config(request: HttpRequest) -> JsonResponse:
    """Return the address of events and the ways to sign in. Nothing in it is secret."""
    has_supabase = bool(settings.SUPABASE_ANON_KEY)
    options = {
        "live_url": settings.LIVE_URL,
        "supabase": {
            "auth_url": settings.SUPABASE_JWT_ISSUER,
            "anon_key": settings.SUPABASE_ANON_KEY,
        }
        if has_supabase
        else None,
        "development_sign_in": settings.DEVELOPMENT_SIGN_IN,
    }
    return JsonResponse(options, headers={"Cache-Control": "no-cache"})


class _SignIn(RequestSerializer):
    email = serializers.CharField(max_length=MAX_EMAIL_CHARS)


class DevelopmentSignInView(APIView):
    """The endpoint that signs a developer in by email address; 404 without DEVELOPMENT_SIGN_IN."""

    authentication_classes = ()
    permission_classes = ()
    problems: ClassVar = {"POST": (EmailRequiredProblem, AccountInactiveProblem, NotFoundProblem)}

    @extend_schema(exclude=True)
    def post(self, request: Request) -> Response:
        """Return the token."""
        if not settings.DEVELOPMENT_SIGN_IN:
            raise NotFoundProblem(Resource.ADDRESS)
        serializer = _SignIn(data=request.data)
        serializer.is_valid(raise_exception=True)
        return Response({"access_token": development.sign_in(serializer.validated_data["email"])})


def build_policy() -> str:
    """Return the page's Content Security Policy, which allows only what the page uses."""
    files = " ".join(
        dict.fromkeys(("'self'", _get_origin(settings.PUBLIC_URL), _get_storage_origin()))
    )
    connect_sources = [files, _get_origin(settings.LIVE_URL)]
    if settings.SUPABASE_ANON_KEY:
        connect_sources.append(_get_origin(settings.SUPABASE_JWT_ISSUER))
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "font-src 'self'",
            f"img-src {files} data: blob:",
            f"media-src {files} blob:",
            f"connect-src {' '.join(connect_sources)}",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    )


@cache
def _render_icon() -> str:
    return render_to_string("studio/icon.svg")


@cache
def _get_storage_origin() -> str:
    return _get_origin(object_storage().presigned_get(PROBE))


def _get_origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


urlpatterns = [
    path("studio", page, name="studio"),
    path("studio/", page),
    path("studio/config.json", config),
    path("studio/sign-in", DevelopmentSignInView.as_view()),
    path("favicon.ico", icon),
]
