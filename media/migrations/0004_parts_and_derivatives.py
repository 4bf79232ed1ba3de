import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("media", "0003_origin"),
        ("projects", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="mediafile",
            name="derivation_claim",
            field=models.UUIDField(
                blank=True,
                help_text="The token of the worker that makes the derivatives.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="mediafile",
            name="derivation_progress",
            field=models.FloatField(db_default=0.0, default=0.0),
        ),
        migrations.AddField(
            model_name="mediafile",
            name="derivation_status",
            field=models.CharField(
                choices=[
                    ("waiting", "Waiting"),
                    ("working", "Working"),
                    ("done", "Done"),
                    ("failed", "Failed"),
                ],
                db_default="waiting",
                default="waiting",
                max_length=20,
            ),
        ),
        migrations.AddField(
            model_name="mediafile",
            name="derivation_tries",
            field=models.SmallIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name="mediafile",
            name="derive_at",
            field=models.DateTimeField(
                blank=True,
                db_default=django.db.models.functions.datetime.Now(),
                help_text="When the row is due: for its message, or because its worker is lost.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="mediafile",
            name="peaks_r2_key",
            field=models.TextField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="mediafile",
            name="sprite",
            field=models.JSONField(
                blank=True, help_text="The layout of the sprite's tiles.", null=True
            ),
        ),
        migrations.AddField(
            model_name="mediafile",
            name="sprite_r2_key",
            field=models.TextField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="mediafile",
            name="upload_id",
            field=models.TextField(
                blank=True,
                db_default="",
                default="",
                help_text="The storage's id of an upload in parts.",
            ),
        ),
        migrations.AddField(
            model_name="mediafile",
            name="upload_part_bytes",
            field=models.BigIntegerField(blank=True, null=True),
        ),
        migrations.AddIndex(
            model_name="mediafile",
            index=models.Index(
                condition=models.Q(("derive_at__isnull", False), ("status", "ready")),
                fields=["derive_at"],
                name="media_files_to_derive",
            ),
        ),
        migrations.AddConstraint(
            model_name="mediafile",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("derivation_status__in", ["waiting", "working"]),
                        ("derive_at__isnull", False),
                    ),
                    models.Q(
                        ("derivation_status__in", ["done", "failed"]), ("derive_at__isnull", True)
                    ),
                    _connector="OR",
                ),
                name="media_files_derivation_is_due_or_over",
            ),
        ),
    ]
