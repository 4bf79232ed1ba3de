"""Webhooks: endpoints, deliveries, and the URL that is told of a job's end (decision 29)."""

import uuid

import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models
from django.db.models import Q


def closed(table):
    return migrations.RunSQL(
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
        f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY",
    )


def created_at():
    return models.DateTimeField(
        db_default=django.db.models.functions.datetime.Now(), editable=False
    )


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0015_progress"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            "job",
            "callback_url",
            models.CharField(
                blank=True,
                help_text="The URL that is notified of the end.",
                max_length=2000,
                null=True,
            ),
        ),
        migrations.CreateModel(
            name="WebhookEndpoint",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, primary_key=True, serialize=False)),
                ("url", models.CharField(max_length=2000, null=True)),
                ("description", models.CharField(blank=True, default="", max_length=200)),
                (
                    "events",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=50),
                        default=list,
                        help_text="The types of events that the endpoint receives; all if empty.",
                        size=None,
                    ),
                ),
                ("secret", models.BinaryField(help_text="The current secret, encrypted.")),
                ("previous_secret", models.BinaryField(null=True)),
                ("previous_secret_expires_at", models.DateTimeField(null=True)),
                ("disabled_at", models.DateTimeField(null=True)),
                (
                    "disabled_reason",
                    models.CharField(
                        choices=[("owner", "Owner"), ("failing", "Failing"), ("gone", "Gone")],
                        max_length=20,
                        null=True,
                    ),
                ),
                (
                    "failing_since",
                    models.DateTimeField(
                        help_text="The first failed try since the last success.", null=True
                    ),
                ),
                ("created_at", created_at()),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "db_table": "webhook_endpoints",
                "indexes": [
                    models.Index(fields=["user", "-created_at", "-id"], name="webhooks_of_user"),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=Q(url=None), fields=("user",), name="webhooks_one_for_callbacks"
                    ),
                    models.CheckConstraint(
                        condition=Q(disabled_at=None, disabled_reason=None)
                        | Q(disabled_at__isnull=False, disabled_reason__isnull=False),
                        name="webhooks_disabled_have_a_reason",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="WebhookDelivery",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        help_text="The `webhook-id`, which follows from endpoint and seq.",
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                (
                    "endpoint",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="deliveries",
                        to="jobs.webhookendpoint",
                    ),
                ),
                (
                    "lane",
                    models.UUIDField(
                        help_text="What it waits behind: its endpoint, or its URL's origin."
                    ),
                ),
                (
                    "url",
                    models.CharField(
                        help_text="The URL of a callback.", max_length=2000, null=True
                    ),
                ),
                (
                    "seq",
                    models.BigIntegerField(
                        help_text="The seq of the event; null for a ping.", null=True
                    ),
                ),
                ("job_id", models.UUIDField(null=True)),
                ("type", models.CharField(max_length=50)),
                ("body", models.TextField()),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "Waiting"),
                            ("succeeded", "Succeeded"),
                            ("failed", "Failed"),
                        ],
                        default="waiting",
                        max_length=20,
                    ),
                ),
                ("holder", models.CharField(max_length=255, null=True)),
                (
                    "due_at",
                    models.DateTimeField(
                        help_text="When the delivery is due; while it is claimed, when the "
                        "holder counts as lost.",
                        null=True,
                    ),
                ),
                ("tries", models.SmallIntegerField(default=0)),
                (
                    "status",
                    models.SmallIntegerField(
                        help_text="The HTTP status of the last try.", null=True
                    ),
                ),
                ("duration_ms", models.IntegerField(null=True)),
                ("error_code", models.CharField(max_length=50, null=True)),
                (
                    "request_headers",
                    models.JSONField(
                        help_text="The headers of the last request, without the signature.",
                        null=True,
                    ),
                ),
                (
                    "answer",
                    models.TextField(help_text="The beginning of the answer, as text.", null=True),
                ),
                ("tried_at", models.DateTimeField(null=True)),
                ("created_at", created_at()),
            ],
            options={
                "db_table": "webhook_deliveries",
                "verbose_name_plural": "webhook deliveries",
                "indexes": [
                    models.Index(
                        fields=["endpoint", "-created_at", "-id"], name="deliveries_of_endpoint"
                    ),
                    models.Index(
                        condition=Q(state="waiting"),
                        fields=["lane", "due_at"],
                        name="deliveries_waiting",
                    ),
                    models.Index(
                        condition=Q(holder__isnull=False), fields=["holder"], name="deliveries_held"
                    ),
                    models.Index(fields=["created_at"], name="deliveries_by_age"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=Q(state="waiting", due_at__isnull=False)
                        | (~Q(state="waiting") & Q(due_at=None, holder=None)),
                        name="deliveries_waiting_are_due",
                    ),
                ],
            },
        ),
        closed("webhook_endpoints"),
        closed("webhook_deliveries"),
    ]
