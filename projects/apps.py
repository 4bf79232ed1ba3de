"""Register the app with Django, the EDL store with MongoEngine, and timelines with media."""

from django.apps import AppConfig

from projects import connection


class ProjectsConfig(AppConfig):
    """The `projects` app."""

    name = "projects"

    def ready(self) -> None:
        """Register MongoDB, the timelines that show media, owners of objects, and personal data.

        Nothing connects to MongoDB before its first use.
        """
        from media import deletion
        from projects import personal_data
        from projects.rendering import folders
        from projects.timeline import offline

        connection.register()
        deletion.register_timelines(offline)
        folders.register_owner()
        personal_data.register_personal_data()
