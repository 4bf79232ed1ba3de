from typing import ClassVar

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies: ClassVar = [
        ("projects", "0003_render_folders_row_level_security"),
    ]

    operations: ClassVar = [
        migrations.AddField(
            model_name="renderfolder",
            name="plans",
            field=models.IntegerField(
                db_default=0,
                default=0,
                help_text="The number of timelines stored since the last sweep.",
            ),
        ),
        AddIndexConcurrently(
            model_name="renderfolder",
            index=models.Index(fields=["user_id"], name="render_folders_of_user"),
        ),
    ]
