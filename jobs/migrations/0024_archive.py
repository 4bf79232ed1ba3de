"""What is archived, and how far each table has come (docs/decisions/0048)."""

from django.db import migrations, models
from django.db.models.functions import Now


class Migration(migrations.Migration):
    dependencies = [("jobs", "0022_growth")]

    operations = [
        migrations.CreateModel(
            name="ArchivePart",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("table", models.CharField(max_length=50)),
                (
                    "after",
                    models.CharField(
                        blank=True,
                        help_text="The key before its first row's; not in it.",
                        max_length=100,
                    ),
                ),
                ("last", models.CharField(help_text="The key of its last row.", max_length=100)),
                ("due_before", models.DateTimeField(help_text="What was over by then is in it.")),
                ("object_key", models.CharField(max_length=512, unique=True)),
                ("rows", models.IntegerField(null=True)),
                ("size_bytes", models.BigIntegerField(null=True)),
                (
                    "verified_at",
                    models.DateTimeField(
                        help_text="When it was read back, and said what the table says.", null=True
                    ),
                ),
                (
                    "finished_at",
                    models.DateTimeField(help_text="When the walk went on behind it.", null=True),
                ),
                ("created_at", models.DateTimeField(db_default=Now(), editable=False)),
            ],
            options={
                "db_table": "archive_parts",
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("finished_at", None)),
                        fields=("table",),
                        name="archive_parts_one_unfinished",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="ArchiveWalk",
            fields=[
                (
                    "table",
                    models.CharField(max_length=50, primary_key=True, serialize=False),
                ),
                (
                    "after",
                    models.CharField(
                        blank=True,
                        default="",
                        help_text="The last key that is done with.",
                        max_length=100,
                    ),
                ),
                (
                    "next_at",
                    models.DateTimeField(db_default=Now(), help_text="When it may go on."),
                ),
            ],
            options={"db_table": "archive_walks"},
        ),
    ]
