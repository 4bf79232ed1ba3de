"""REST, admin and callbacks, for a WSGI server."""

import os

from django.core.wsgi import get_wsgi_application

from auteur.api.requests import Utf8Request

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "auteur.settings")

application = get_wsgi_application()
application.request_class = Utf8Request
