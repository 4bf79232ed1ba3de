"""Imports by URL (decision 33)."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [
        ("media", "0013_storage_walks"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="MediaImport",
            fields=[
                (
                    "media",
                    models.OneToOneField(
                        db_column="id",
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="url_import",
                        serialize=False,
                        to="media.mediafile",
                    ),
                ),
                (
                    "source",
                    models.TextField(
                        help_text="The URL without its query, which may hold secrets."
                    ),
                ),
                (
                    "url",
                    models.BinaryField(
                        help_text="The complete URL, encrypted, until the import is over.",
                        null=True,
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("waiting", "Waiting"),
                            ("fetching", "Fetching"),
                            ("done", "Done"),
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
                        help_text="When the row is due: for its message, or because its worker "
                        "is lost.",
                        null=True,
                    ),
                ),
                ("tries", models.SmallIntegerField(default=0)),
                ("received_bytes", models.BigIntegerField(default=0)),
                (
                    "validator",
                    models.TextField(
                        default="",
                        help_text="The server's validator of this version, if it can send parts "
                        "of it.",
                    ),
                ),
                (
                    "error_code",
                    models.CharField(
                        help_text="The reason why the last try failed.", max_length=50, null=True
                    ),
                ),
                ("error_detail", models.TextField(null=True)),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
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
                "db_table": "media_imports",
                "indexes": [
                    models.Index(
                        condition=Q(due_at__isnull=False),
                        fields=["due_at"],
                        name="media_imports_due",
                    ),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=Q(
                            status__in=["waiting", "fetching"],
                            due_at__isnull=False,
                            url__isnull=False,
                        )
                        | Q(status__in=["done", "failed"], due_at=None, holder=None, url=None),
                        name="media_imports_over_without_url",
                    ),
                ],
            },
        ),
        migrations.RunSQL(
            "ALTER TABLE media_imports ENABLE ROW LEVEL SECURITY",
            "ALTER TABLE media_imports DISABLE ROW LEVEL SECURITY",
        ),
    ]
