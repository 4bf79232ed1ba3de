"""PostgreSQL: connections, roles, migrations, and who may see which rows."""

from django.apps import AppConfig
from django.core import checks
from django.db.backends.signals import connection_created


class DatabaseConfig(AppConfig):
    """Has no tables; named after them all."""

    name = "auteur.database"
    label = "database"

    def ready(self) -> None:
        """Look at every connection as it is made, and at the tables when `check` is asked to."""
        from auteur.database.pooling import without_prepared_statements
        from auteur.database.reports import warnings

        connection_created.connect(without_prepared_statements, dispatch_uid="database.pooling")
        checks.register(warnings, checks.Tags.database)
