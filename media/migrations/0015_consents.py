"""Consents, those that voices have come with among them, and receipts (decision 40)."""

import uuid

import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models
from django.db.models import Q

OF_VOICES = """
INSERT INTO consents (id, user_id, kind, subject, statement, statement_version, media_ids, voice_id,
                      given_at)
SELECT gen_random_uuid(), user_id, 'voice', name, consent_statement, consent_version, '{}', id,
       consented_at
FROM voice_clones WHERE consented_at IS NOT NULL
"""


def closed(table):
    return migrations.RunSQL(
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
        f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY",
    )


class Migration(migrations.Migration):
    dependencies = [
        ("media", "0014_imports"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Consent",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, primary_key=True, serialize=False)),
                (
                    "kind",
                    models.CharField(choices=[("voice", "Voice"), ("face", "Face")], max_length=10),
                ),
                (
                    "subject",
                    models.CharField(
                        help_text="The person who has given the consent.", max_length=255
                    ),
                ),
                (
                    "statement",
                    models.TextField(help_text="The text that the person has agreed to."),
                ),
                (
                    "statement_version",
                    models.CharField(
                        blank=True,
                        default="",
                        help_text="The version of our statement; empty if the client showed "
                        "another text.",
                        max_length=20,
                    ),
                ),
                (
                    "media_ids",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.UUIDField(), blank=True, default=list, size=None
                    ),
                ),
                ("voice_id", models.UUIDField(blank=True, null=True)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("given", "Given"),
                            ("revoked", "Revoked"),
                            ("removing", "Removing"),
                            ("removed", "Removed"),
                        ],
                        db_default="given",
                        default="given",
                        max_length=10,
                    ),
                ),
                (
                    "given_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
                ("revoked_at", models.DateTimeField(blank=True, null=True)),
                (
                    "revoked_by",
                    models.CharField(blank=True, db_default="", default="", max_length=50),
                ),
                (
                    "finished_at",
                    models.DateTimeField(
                        blank=True,
                        help_text="The time at which all known objects were removed.",
                        null=True,
                    ),
                ),
                ("holder", models.CharField(blank=True, max_length=255, null=True)),
                (
                    "due_at",
                    models.DateTimeField(
                        blank=True,
                        help_text="When the row is due: for its message, or because its worker "
                        "is lost.",
                        null=True,
                    ),
                ),
                ("tries", models.IntegerField(db_default=0, default=0)),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="consents",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "db_table": "consents",
                "indexes": [
                    models.Index(fields=["user", "-given_at", "-id"], name="consents_of_user"),
                    models.Index(
                        condition=Q(due_at__isnull=False), fields=["due_at"], name="consents_due"
                    ),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=Q(status="given", revoked_at=None, due_at=None)
                        | Q(
                            status__in=["revoked", "removing"],
                            revoked_at__isnull=False,
                            due_at__isnull=False,
                        )
                        | Q(
                            status="removed",
                            revoked_at__isnull=False,
                            finished_at__isnull=False,
                            due_at=None,
                        ),
                        name="consents_revoked_are_followed",
                    ),
                    models.CheckConstraint(
                        condition=~Q(media_ids=[]) | Q(voice_id__isnull=False),
                        name="consents_cover_something",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Removal",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, primary_key=True, serialize=False)),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("media", "Media file"),
                            ("derivative", "Derivative of a media file"),
                            ("voice", "Sample of a voice"),
                            ("output", "Output of a job"),
                            ("segment", "Segment of a render"),
                            ("export", "Export of the account"),
                        ],
                        max_length=10,
                    ),
                ),
                ("object_id", models.UUIDField(db_index=True)),
                ("key", models.TextField()),
                ("size_bytes", models.BigIntegerField(null=True)),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
                ("removed_at", models.DateTimeField(null=True)),
                (
                    "consent",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="removals",
                        to="media.consent",
                    ),
                ),
            ],
            options={
                "db_table": "consent_removals",
                "indexes": [
                    models.Index(
                        fields=["consent", "-created_at", "-id"], name="removals_of_consent"
                    ),
                    models.Index(
                        condition=Q(removed_at=None),
                        fields=["consent", "object_id"],
                        name="removals_left",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=["consent", "key"], name="removals_name_once"),
                ],
            },
        ),
        closed("consents"),
        closed("consent_removals"),
        migrations.RunSQL(OF_VOICES, migrations.RunSQL.noop),
    ]
