from django.db import migrations, models
from django.db.models.functions import Now


class Migration(migrations.Migration):
    dependencies = [("media", "0012_checking_indexes")]

    operations = [
        migrations.CreateModel(
            name="StorageWalk",
            fields=[
                ("id", models.SmallIntegerField(default=1, primary_key=True, serialize=False)),
                (
                    "after",
                    models.TextField(
                        blank=True,
                        default="",
                        help_text="The last key that was examined; empty at the start.",
                    ),
                ),
                (
                    "next_at",
                    models.DateTimeField(db_default=Now(), help_text="When the next part is due."),
                ),
            ],
            options={
                "db_table": "storage_walks",
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("id", 1)), name="storage_walks_one")
                ],
            },
        ),
        migrations.RunSQL(
            "ALTER TABLE storage_walks ENABLE ROW LEVEL SECURITY",
            "ALTER TABLE storage_walks DISABLE ROW LEVEL SECURITY",
        ),
    ]
