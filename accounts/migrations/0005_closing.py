"""Closing an account, exporting it, and the walk of retention (decision 39)."""

import uuid

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


def now():
    return django.db.models.functions.datetime.Now()


def id_and_user(related_name):
    return [
        ("id", models.UUIDField(default=uuid.uuid4, primary_key=True, serialize=False)),
        (
            "user",
            models.OneToOneField(
                on_delete=django.db.models.deletion.PROTECT,
                related_name=related_name,
                to=settings.AUTH_USER_MODEL,
            ),
        ),
    ]


def lease():
    return [
        ("holder", models.CharField(max_length=255, null=True)),
        ("due_at", models.DateTimeField(db_default=now(), null=True)),
        ("tries", models.SmallIntegerField(default=0)),
        ("created_at", models.DateTimeField(db_default=now(), editable=False)),
        ("finished_at", models.DateTimeField(null=True)),
    ]


def status(*names):
    return models.CharField(
        choices=[(name, name.capitalize()) for name in names], default=names[0], max_length=20
    )


class Migration(migrations.Migration):
    dependencies = [("accounts", "0004_api_keys")]

    operations = [
        migrations.AddField(
            "user",
            "closing_at",
            models.DateTimeField(
                blank=True, help_text="When the closed account is erased.", null=True
            ),
        ),
        migrations.CreateModel(
            name="AccountClosing",
            fields=[
                *id_and_user("closing"),
                ("status", status("waiting", "working", "done")),
                *lease(),
            ],
            options={
                "db_table": "account_closings",
                "indexes": [
                    models.Index(
                        condition=Q(due_at__isnull=False),
                        fields=["due_at"],
                        name="account_closings_due",
                    ),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=Q(status="done", due_at=None, holder=None)
                        | Q(
                            status__in=["waiting", "working"],
                            due_at__isnull=False,
                            finished_at=None,
                        ),
                        name="account_closings_due_or_done",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="AccountExport",
            fields=[
                *id_and_user("export"),
                ("with_media", models.BooleanField(default=False)),
                ("status", status("waiting", "working", "ready", "failed")),
                ("progress", models.FloatField(default=0.0, help_text="Share done, 0 to 1.")),
                *lease(),
                (
                    "upload_id",
                    models.TextField(
                        default="", help_text="The storage's id of the unfinished upload."
                    ),
                ),
                ("upload_part_bytes", models.BigIntegerField(null=True)),
                ("file_size_bytes", models.BigIntegerField(null=True)),
                ("expires_at", models.DateTimeField(null=True)),
            ],
            options={
                "db_table": "account_exports",
                "indexes": [
                    models.Index(
                        condition=Q(due_at__isnull=False),
                        fields=["due_at"],
                        name="account_exports_due",
                    ),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=Q(
                            status__in=("waiting", "working"),
                            due_at__isnull=False,
                            expires_at=None,
                        )
                        | Q(
                            status__in=["ready", "failed"],
                            due_at=None,
                            holder=None,
                            expires_at__isnull=False,
                        ),
                        name="account_exports_due_or_over",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="RetentionWalk",
            fields=[
                ("name", models.CharField(max_length=50, primary_key=True, serialize=False)),
                (
                    "after",
                    models.UUIDField(
                        default=uuid.UUID(int=0), help_text="The last row that was read."
                    ),
                ),
                (
                    "next_at",
                    models.DateTimeField(
                        db_default=now(), help_text="When the next page may be read."
                    ),
                ),
            ],
            options={"db_table": "retention_walks"},
        ),
        closed("account_closings"),
        closed("account_exports"),
        closed("retention_walks"),
    ]
