"""The WSGI application: REST API, admin and callbacks."""

import os

import django
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest
from django.urls import ResolverMatch

from auteur.core.api import routing
from auteur.core.api.requests import Utf8Request

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "auteur.settings")


class Handler(WSGIHandler):
    """Django's WSGI handler with our request class and a faster resolver."""

    request_class = Utf8Request

    def resolve_request(self, request: HttpRequest) -> ResolverMatch:
        """Return the match that the server has found, or resolve the address."""
        match = request.META.get(routing.MATCH_KEY)
        if not match:
            match = routing.resolve(request.path_info, settings.ROOT_URLCONF)
        request.resolver_match = match
        return match


django.setup(set_prefix=False)
routing.import_views(settings.ROOT_URLCONF)
application = Handler()
