"""Archives are removed (docs/decisions/0065), with their table, which no release has used.

``archive_walks`` stays, because sweeps store their cursors there.
"""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("jobs", "0040_waiting_for_media")]

    operations = [
        migrations.RunSQL("-- squawk-ignore ban-drop-table\nDROP TABLE archive_parts"),
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.DeleteModel("ArchivePart"),
                migrations.RenameModel("ArchiveWalk", "SweepCursor"),
            ],
        ),
    ]
