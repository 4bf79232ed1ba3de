"""What counts against a user's quota is read from an index alone (decision 47)."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models import Q

from auteur.core.database.ordering import TimeAtUtc


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("media", "0016_growth")]

    operations = [
        AddIndexConcurrently(
            "mediafile",
            models.Index(
                fields=["user"],
                include=["status", "file_size_bytes", "id"],
                condition=~Q(status="rejected"),
                name="media_files_counted",
            ),
        ),
        AddIndexConcurrently(
            "mediafile", models.Index(TimeAtUtc("created_at").desc(), name="media_files_lately")
        ),
    ]
