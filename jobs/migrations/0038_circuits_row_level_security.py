"""Closed to all but the table's owner and the application, as every other table is."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("jobs", "0037_circuits")]

    operations = [
        migrations.RunSQL(
            "ALTER TABLE circuits ENABLE ROW LEVEL SECURITY",
            "ALTER TABLE circuits DISABLE ROW LEVEL SECURITY",
        )
    ]
