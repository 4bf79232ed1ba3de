"""REST, admin and callbacks, for a WSGI server."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "auteur.settings")

application = get_wsgi_application()
