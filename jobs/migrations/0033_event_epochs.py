"""Epochs of the numbered log: see docs/decisions/0061."""

import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0032_pending_deadlines")]

    operations = [
        migrations.CreateModel(
            name="EventEpoch",
            fields=[
                (
                    "number",
                    models.BigIntegerField(
                        help_text="Minutes from 2026 to its beginning, or one more than before.",
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                (
                    "first_position",
                    models.BigIntegerField(help_text="The first position in this epoch."),
                ),
                (
                    "started_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
            ],
            options={"db_table": "event_epochs"},
        ),
    ]
