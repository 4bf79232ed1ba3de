from django.contrib.postgres.operations import AddIndexConcurrently, ValidateConstraint
from django.db import migrations, models
from django.db.models import Q

TABLES = {"mediafile": "media_files", "voiceclone": "voice_clones"}


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("media", "0011_checking")]

    operations = [
        operation
        for model, table in TABLES.items()
        for operation in (
            ValidateConstraint(model, f"{table}_status_known"),
            ValidateConstraint(model, f"{table}_check_is_due_or_over"),
            AddIndexConcurrently(
                model,
                models.Index(
                    fields=["check_at"],
                    condition=Q(status="checking"),
                    name=f"{table}_to_check",
                ),
            ),
        )
    ]
