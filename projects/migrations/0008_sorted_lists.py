"""Lists of projects in the order of their changes and of their names."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models.functions import Lower


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("projects", "0007_lists")]

    operations = [
        AddIndexConcurrently(
            "project",
            models.Index(fields=["user", "-updated_at", "-id"], name="projects_of_user_by_change"),
        ),
        AddIndexConcurrently(
            "project",
            models.Index("user", Lower("name"), "id", name="projects_of_user_by_name"),
        ),
    ]
