"""Projects that are being deleted, and lists of all users' projects (decision 47)."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models

from auteur.core.database.ordering import TimeAtUtc


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("projects", "0006_deletion")]

    operations = [
        AddIndexConcurrently(
            "project",
            models.Index(
                fields=["deleted_at"],
                condition=models.Q(deleted_at__isnull=False),
                name="projects_to_remove",
            ),
        ),
        AddIndexConcurrently(
            "project", models.Index(TimeAtUtc("created_at").desc(), name="projects_lately")
        ),
    ]
