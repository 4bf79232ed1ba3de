"""Registers the app with Django, the EDL store with MongoEngine, and timelines with media."""

from django.apps import AppConfig

from projects import connection


class ProjectsConfig(AppConfig):
    """The `projects` app."""

    name = "projects"

    def ready(self) -> None:
        """Say where MongoDB is (nothing connects before the first use), what shows media, and
        what we hold of people.
        """
        from media import deletion
        from projects import personal_data
        from projects.rendering import folders
        from projects.timeline import offline

        connection.register()
        deletion.register_timelines(offline)
        folders.register_owner()
        personal_data.register_personal_data()
