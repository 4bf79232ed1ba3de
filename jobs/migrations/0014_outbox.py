"""`job_events` becomes the outbox of the numbered log: see docs/decisions/0028."""

import django.db.models.deletion
from django.conf import settings
from django.contrib.postgres.operations import RemoveIndexConcurrently
from django.db import migrations, models


def loose(to):
    return models.ForeignKey(
        db_constraint=False,
        db_index=False,
        on_delete=django.db.models.deletion.DO_NOTHING,
        related_name="+",
        to=to,
    )


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("jobs", "0013_numbered_log"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        RemoveIndexConcurrently("event", "events_of_request"),
        migrations.AlterField("event", "job", loose("jobs.job")),
        migrations.AlterField("event", "user", loose(settings.AUTH_USER_MODEL)),
    ]
