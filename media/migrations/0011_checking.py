"""Uploads are checked by a task. What is new is checked from here on; the old rows by the next."""

from typing import Any

from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models
from django.db.models import Q

STATUSES = [
    ("uploading", "Uploading"),
    ("checking", "Checking"),
    ("ready", "Ready"),
    ("rejected", "Rejected"),
]
KNOWN = Q(status__in=["uploading", "checking", "ready", "rejected"])
DUE_OR_OVER = Q(status="checking", check_at__isnull=False) | (
    ~Q(status="checking") & Q(check_at__isnull=True)
)
AT = "When the row is due: for its message, or because its worker is lost."


def checked(model: str, table: str) -> list[Any]:
    known, due = f"{table}_status_known", f"{table}_check_is_due_or_over"
    return [
        migrations.AddField(
            model, "check_at", models.DateTimeField(blank=True, help_text=AT, null=True)
        ),
        migrations.AddField(
            model,
            "check_claim",
            models.UUIDField(
                blank=True, help_text="The token of the worker that checks the upload.", null=True
            ),
        ),
        migrations.AddField(
            model, "check_tries", models.SmallIntegerField(db_default=0, default=0)
        ),
        migrations.AlterField(
            model,
            "status",
            models.CharField(
                choices=STATUSES, db_default="uploading", default="uploading", max_length=20
            ),
        ),
        migrations.RemoveConstraint(model, known),
        AddConstraintNotValid(model, models.CheckConstraint(condition=KNOWN, name=known)),
        AddConstraintNotValid(model, models.CheckConstraint(condition=DUE_OR_OVER, name=due)),
    ]


class Migration(migrations.Migration):
    dependencies = [("media", "0010_voices")]

    operations = [
        *checked("mediafile", "media_files"),
        *checked("voiceclone", "voice_clones"),
        migrations.AddField(
            "voiceclone",
            "rejection_detail",
            models.TextField(blank=True, db_default="", default=""),
        ),
    ]
