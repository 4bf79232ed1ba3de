"""An index for jobs that were not started in time: every sweep read all that wait."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("jobs", "0031_partner_token_hash")]

    operations = [
        AddIndexConcurrently(
            "job",
            models.Index(
                fields=["start_deadline_at"],
                condition=Q(status="pending", attempt__isnull=True),
                name="jobs_pending_deadlines",
            ),
        ),
    ]
