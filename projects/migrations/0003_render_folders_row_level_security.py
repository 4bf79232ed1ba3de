"""Closed to all but the tables' owner and the application, as every other table is."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("projects", "0002_render_folders")]

    operations = [
        migrations.RunSQL(
            "ALTER TABLE render_folders ENABLE ROW LEVEL SECURITY",
            "ALTER TABLE render_folders DISABLE ROW LEVEL SECURITY",
        ),
    ]
