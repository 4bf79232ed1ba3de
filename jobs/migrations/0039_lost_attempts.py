"""Attempts that our infrastructure has lost lately, for circuits; others have no entry."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("jobs", "0038_circuits_row_level_security")]

    operations = [
        AddIndexConcurrently(
            "attempt",
            models.Index(
                fields=["finished_at"],
                condition=models.Q(
                    error_code__in=["GPU_UNAVAILABLE", "STORAGE_ERROR"], finished_at__isnull=False
                ),
                name="attempts_lost",
            ),
        ),
    ]
