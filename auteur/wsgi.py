"""REST, admin and callbacks, for a WSGI server."""

import os

import django
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest
from django.urls import ResolverMatch

from auteur.api import routing
from auteur.api.requests import Utf8Request

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "auteur.settings")


class Handler(WSGIHandler):
    """Django's, with our requests and a shorter way to their views."""

    request_class = Utf8Request

    def resolve_request(self, request: HttpRequest) -> ResolverMatch:
        """What the server has found already, or the same."""
        found = request.META.get(routing.FOUND)
        match = found or routing.resolve(request.path_info, settings.ROOT_URLCONF)
        request.resolver_match = match
        return match


django.setup(set_prefix=False)
routing.import_views(settings.ROOT_URLCONF)
application = Handler()
