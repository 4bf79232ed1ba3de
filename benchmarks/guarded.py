"""Serve a view of REST framework that does nothing, behind our middleware (`benchmarks.guard`)."""

import os

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

from auteur import health
from auteur.core.api.requests import Utf8Request


class NoOpView(APIView):
    """A view for signed-in users that does nothing."""

    def get(self, request: Request) -> Response:
        return Response({"status": "ok"})


urlpatterns = [path("health/live", health.live), path("noop", NoOpView.as_view())]
application = get_wsgi_application()
application.request_class = Utf8Request
