"""What one process finds for all: how jobs stand, and what the running audit has seen."""

import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0026_work_waiting")]

    operations = [
        migrations.CreateModel(
            name="KeptFigures",
            fields=[
                ("name", models.CharField(max_length=50, primary_key=True, serialize=False)),
                (
                    "value",
                    models.JSONField(
                        help_text="The last figures; null before the first time.", null=True
                    ),
                ),
                ("found_at", models.DateTimeField(null=True)),
                (
                    "next_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(),
                        help_text="When the figures are due again.",
                    ),
                ),
            ],
            options={"db_table": "kept_figures"},
        ),
        migrations.CreateModel(
            name="AuditedAccount",
            fields=[
                ("user_id", models.UUIDField(primary_key=True, serialize=False)),
                ("seq", models.BigIntegerField(help_text="The last row that was read.")),
                ("balance", models.BigIntegerField(help_text="The balance after this row.")),
                (
                    "remaining",
                    models.JSONField(
                        help_text="The remaining credits of each open grant, by its id."
                    ),
                ),
                ("last_grant", models.BigIntegerField(help_text="The highest id of its grants.")),
                (
                    "spent",
                    models.JSONField(help_text="The spent credits of each API key, by its id."),
                ),
            ],
            options={"db_table": "audited_accounts"},
        ),
        migrations.CreateModel(
            name="AuditFinding",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                (
                    "subject_id",
                    models.UUIDField(db_index=True, help_text="The account's user, or the job."),
                ),
                ("rule", models.CharField(max_length=50)),
                ("user_id", models.UUIDField(null=True)),
                ("job_id", models.UUIDField(null=True)),
                ("expected", models.TextField()),
                ("found", models.TextField()),
            ],
            options={"db_table": "audit_findings"},
        ),
    ]
