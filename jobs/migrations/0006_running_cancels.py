import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.models.functions import Now


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0005_attempts_to_sweep"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="RunningCancel",
            fields=[
                (
                    "job",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="+",
                        serialize=False,
                        to="jobs.job",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("refunded", models.BooleanField()),
                ("created_at", models.DateTimeField(db_default=Now(), editable=False)),
            ],
            options={
                "db_table": "running_cancels",
                "indexes": [
                    models.Index(fields=["user", "-created_at"], name="running_cancels_of_user")
                ],
            },
        ),
        migrations.RunSQL(
            "ALTER TABLE running_cancels ENABLE ROW LEVEL SECURITY",
            "ALTER TABLE running_cancels DISABLE ROW LEVEL SECURITY",
        ),
    ]
