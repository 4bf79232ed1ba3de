"""Closed to all but the table's owner and the application, as every other table is."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("jobs", "0033_event_epochs")]

    operations = [
        migrations.RunSQL(
            "ALTER TABLE event_epochs ENABLE ROW LEVEL SECURITY",
            "ALTER TABLE event_epochs DISABLE ROW LEVEL SECURITY",
        )
    ]
