"""Serve a baseline of `benchmarks.edl`: its bare view behind our token and throttle."""

import os
from typing import Any, cast

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "auteur.settings")

import django
from django.conf import settings

django.setup()
settings.ROOT_URLCONF = __name__

from django.core.wsgi import get_wsgi_application
from django.urls import path
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from projects.connection import collection


class GuardedView(APIView):
    """The view of `benchmarks.bare_edl.BareView` for requests with a token."""

    def patch(self, request: Request, project_id: str, version: int) -> Response:
        body = cast(dict[str, Any], request.data)
        seen: dict[str, Any] = {"project_id": project_id, "version": version}
        change = {"tracks.0.clips.0.start_ms": body["start_ms"]}
        done = collection().update_one(seen, {"$set": change, "$inc": {"version": 1}})
        return Response({"version": version + 1}, status=200 if done.matched_count else 412)


urlpatterns = [path("bare/<str:project_id>/<int:version>", GuardedView.as_view())]
application = get_wsgi_application()
