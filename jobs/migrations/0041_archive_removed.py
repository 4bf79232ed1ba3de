"""Archives are removed (docs/decisions/0065). Their table stays for one more release.

Processes of the release before still read ``archive_parts`` during a deployment, so the release
after this one drops it. ``archive_walks`` stays, because sweeps store their cursors there.
"""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("jobs", "0040_waiting_for_media")]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.DeleteModel("ArchivePart"),
                migrations.RenameModel("ArchiveWalk", "SweepCursor"),
            ],
        ),
    ]
