"""API keys (docs/decisions/0037). The digest of a key stands here, the key nowhere."""

import uuid

import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models
from django.db.models import Q

SCOPES = [(name, name) for name in ("read", "jobs", "media", "billing")]


class Migration(migrations.Migration):
    dependencies = [("accounts", "0003_billing")]

    operations = [
        migrations.CreateModel(
            name="ApiKey",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=100)),
                ("prefix", models.CharField(help_text="The beginning of the key.", max_length=15)),
                ("digest", models.BinaryField(help_text="SHA-256 of the key.", unique=True)),
                (
                    "scopes",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(choices=SCOPES, max_length=20), size=None
                    ),
                ),
                (
                    "allowed_addresses",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=43),
                        default=list,
                        help_text="Empty: any.",
                        size=None,
                    ),
                ),
                ("expires_at", models.DateTimeField(blank=True, null=True)),
                ("revoked_at", models.DateTimeField(blank=True, null=True)),
                (
                    "last_used_at",
                    models.DateTimeField(
                        blank=True, help_text="With a precision of one minute.", null=True
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="api_keys",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "API key",
                "db_table": "api_keys",
                "indexes": [
                    models.Index(fields=["user", "-created_at", "-id"], name="api_keys_of_user"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=Q(
                            scopes__contained_by=[name for name, _ in SCOPES], scopes__len__gt=0
                        ),
                        name="api_keys_scopes_known",
                    ),
                ],
            },
        ),
        migrations.RunSQL(
            "ALTER TABLE api_keys ENABLE ROW LEVEL SECURITY",
            "ALTER TABLE api_keys DISABLE ROW LEVEL SECURITY",
        ),
    ]
