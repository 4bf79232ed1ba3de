"""The first picture of a project."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("media", "0018_sorted_lists")]

    operations = [
        AddIndexConcurrently(
            "mediafile",
            models.Index(
                fields=["project", "created_at", "id"],
                condition=Q(project__isnull=False, thumbnail_r2_key__isnull=False),
                name="media_files_with_thumbnail",
            ),
        ),
    ]
