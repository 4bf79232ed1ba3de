"""Lists of media by name, type and status."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models import Q
from django.db.models.functions import Lower


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("media", "0017_lists")]

    operations = [
        AddIndexConcurrently(
            "mediafile",
            models.Index("user", Lower("name"), "id", name="media_files_of_user_by_name"),
        ),
        AddIndexConcurrently(
            "mediafile",
            models.Index(
                fields=["user", "type", "-created_at", "-id"], name="media_files_of_user_by_type"
            ),
        ),
        AddIndexConcurrently(
            "mediafile",
            models.Index(
                fields=["user", "status", "-created_at", "-id"],
                condition=~Q(status="ready"),
                name="media_files_not_ready",
            ),
        ),
    ]
