"""Closed to all but the tables' owner and the application, as every other table is."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("jobs", "0006_running_cancels")]

    operations = [
        migrations.RunSQL(
            "ALTER TABLE gpu_lanes ENABLE ROW LEVEL SECURITY",
            "ALTER TABLE gpu_lanes DISABLE ROW LEVEL SECURITY",
        ),
    ]
