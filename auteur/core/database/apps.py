"""PostgreSQL: connections, roles, migrations, and access to rows."""

from django.apps import AppConfig
from django.core import checks
from django.db.backends.signals import connection_created


class DatabaseConfig(AppConfig):
    """The app of the database's management commands and checks. It has no tables."""

    name = "auteur.core.database"
    label = "database"

    def ready(self) -> None:
        """Configure every new connection, and register the checks of tables."""
        from auteur.core.database.pooling import disable_prepared_statements
        from auteur.core.database.reports import list_warnings

        connection_created.connect(disable_prepared_statements, dispatch_uid="database.pooling")
        checks.register(list_warnings, checks.Tags.database)
