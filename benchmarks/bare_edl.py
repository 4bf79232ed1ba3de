"""Serve the baseline of `benchmarks.edl`: a DRF view that makes one versioned MongoDB update."""

import os
from typing import Any, cast

from django.conf import settings

from auteur.settings import (
    API_PROCESSES,
    API_SERVER,
    FIRST_SANDBOX_MEMORY_MIB,
    SANDBOX_MEMORY_MIB,
)

settings.configure(
    SECRET_KEY="benchmark" * 5,
    ROOT_URLCONF=__name__,
    ALLOWED_HOSTS=["*"],
    API_PROCESSES=API_PROCESSES,
    API_SERVER=API_SERVER,
    SANDBOX_MEMORY_MIB=SANDBOX_MEMORY_MIB,
    FIRST_SANDBOX_MEMORY_MIB=FIRST_SANDBOX_MEMORY_MIB,
    INSTALLED_APPS=["rest_framework"],
    REST_FRAMEWORK={
        "DEFAULT_AUTHENTICATION_CLASSES": [],
        "DEFAULT_PERMISSION_CLASSES": [],
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
        "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
        "UNAUTHENTICATED_USER": None,
    },
)

import django

django.setup()

from django.core.wsgi import get_wsgi_application
from django.urls import path
from pymongo import MongoClient
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

_client: MongoClient[dict[str, Any]] = MongoClient(
    os.environ["MONGODB_URI"], connect=False, uuidRepresentation="standard"
)
_documents = _client[os.environ.get("MONGODB_DATABASE", "auteur")]["edit_decision_lists"]


class BareView(APIView):
    """Set the start of one clip if the named version is current."""

    def patch(self, request: Request, project_id: str, version: int) -> Response:
        body = cast(dict[str, Any], request.data)
        seen = {"project_id": project_id, "version": version}
        change = {"tracks.0.clips.0.start_ms": body["start_ms"]}
        done = _documents.update_one(seen, {"$set": change, "$inc": {"version": 1}})
        return Response({"version": version + 1}, status=200 if done.matched_count else 412)


urlpatterns = [path("bare/<str:project_id>/<int:version>", BareView.as_view())]
application = get_wsgi_application()
