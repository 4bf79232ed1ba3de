"""How the API is used, until a stream tells it (docs/decisions/0031)."""

import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0018_cursor_leases")]

    operations = [
        migrations.CreateModel(
            name="ApiUsage",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("user_id", models.UUIDField()),
                ("route", models.CharField(max_length=200)),
                ("method", models.CharField(max_length=10)),
                (
                    "status_class",
                    models.CharField(
                        help_text="The class of the answers' status: 2xx, 4xx.", max_length=3
                    ),
                ),
                ("requests", models.IntegerField()),
                (
                    "counted_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
            ],
            options={"db_table": "api_usage"},
        ),
        migrations.RunSQL(
            "ALTER TABLE api_usage ENABLE ROW LEVEL SECURITY",
            "ALTER TABLE api_usage DISABLE ROW LEVEL SECURITY",
        ),
    ]
