"""Registers the app with Django and the EDL store with MongoEngine."""

from django.apps import AppConfig

from projects import connection


class ProjectsConfig(AppConfig):
    """The `projects` app."""

    name = "projects"

    def ready(self) -> None:
        """Say where MongoDB is; nothing connects before the first use."""
        connection.register()
