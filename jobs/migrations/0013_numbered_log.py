"""The numbered log of events: see docs/decisions/0028."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.models.fields.json import KeyTransform


def loose(to, related_name="+"):
    return models.ForeignKey(
        db_constraint=False,
        db_index=False,
        on_delete=django.db.models.deletion.DO_NOTHING,
        related_name=related_name,
        to=to,
    )


def closed(table):
    return migrations.RunSQL(
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
        f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY",
    )


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0002_row_level_security"),
        ("jobs", "0012_errored"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="EventCursor",
            fields=[
                ("name", models.CharField(max_length=50, primary_key=True, serialize=False)),
                ("position", models.BigIntegerField(default=0)),
            ],
            options={"db_table": "event_cursors"},
        ),
        migrations.CreateModel(
            name="EventHead",
            fields=[
                (
                    "user",
                    models.OneToOneField(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        primary_key=True,
                        related_name="+",
                        serialize=False,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("seq", models.BigIntegerField()),
                ("hash", models.BinaryField(max_length=32)),
            ],
            options={"db_table": "event_heads"},
        ),
        migrations.CreateModel(
            name="UserEvent",
            fields=[
                (
                    "position",
                    models.BigIntegerField(
                        help_text="Ascending over all users, in the order of commits.",
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("user", loose(settings.AUTH_USER_MODEL)),
                (
                    "seq",
                    models.BigIntegerField(help_text="From 1, without gaps, for each user."),
                ),
                ("job", loose("jobs.job", "events")),
                ("type", models.CharField(max_length=50)),
                (
                    "data",
                    models.JSONField(help_text="The data for clients (jobs/event_contract.py)."),
                ),
                (
                    "internal",
                    models.JSONField(default=dict, help_text="Further data for staff."),
                ),
                ("hash", models.BinaryField(max_length=32)),
                ("created_at", models.DateTimeField(help_text="The time of the event.")),
            ],
            options={
                "db_table": "user_events",
                "constraints": [
                    models.UniqueConstraint(fields=("user", "seq"), name="user_events_one_per_seq"),
                ],
                "indexes": [
                    models.Index(fields=["job", "seq"], name="user_events_of_job"),
                    models.Index(
                        KeyTransform("request_id", "internal"),
                        condition=models.Q(("internal__has_key", "request_id")),
                        name="user_events_of_request",
                    ),
                ],
            },
        ),
        *(closed(table) for table in ("event_cursors", "event_heads", "user_events")),
    ]
