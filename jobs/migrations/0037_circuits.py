"""Which features and backends lose most of their work (docs/decisions/0059)."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0036_webhook_queues_row_level_security")]

    operations = [
        migrations.CreateModel(
            name="Circuit",
            fields=[
                (
                    "name",
                    models.CharField(
                        help_text="feature:tts, backend:modal.",
                        max_length=120,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                (
                    "opened_at",
                    models.DateTimeField(
                        blank=True, help_text="Null while it is closed.", null=True
                    ),
                ),
                (
                    "closed_at",
                    models.DateTimeField(
                        blank=True,
                        help_text="Work that was lost before is not counted again.",
                        null=True,
                    ),
                ),
                (
                    "error_code",
                    models.CharField(
                        default="",
                        help_text="The most frequent error when the circuit was opened.",
                        max_length=50,
                    ),
                ),
                (
                    "next_probe_at",
                    models.DateTimeField(
                        blank=True, help_text="When one attempt may be started.", null=True
                    ),
                ),
                (
                    "probe_seconds",
                    models.FloatField(default=0, help_text="The pause after the next probe."),
                ),
                (
                    "probe_id",
                    models.UUIDField(
                        blank=True, help_text="The attempt that is the probe.", null=True
                    ),
                ),
            ],
            options={"db_table": "circuits"},
        ),
    ]
