"""Closed to all but the tables' owner and the application, as every other table is."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("jobs", "0035_webhook_queues")]

    operations = [
        migrations.RunSQL(
            "ALTER TABLE webhook_queues ENABLE ROW LEVEL SECURITY",
            "ALTER TABLE webhook_queues DISABLE ROW LEVEL SECURITY",
        )
    ]
