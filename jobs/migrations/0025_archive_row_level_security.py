"""Closed to all but the tables' owner and the application, as every other table is."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("jobs", "0024_archive")]

    operations = [
        migrations.RunSQL(
            f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
            f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY",
        )
        for table in ("archive_parts", "archive_walks")
    ]
