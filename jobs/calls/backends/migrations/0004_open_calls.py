from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("gpu_tasks", "0003_growth")]

    operations = [
        AddIndexConcurrently(
            model_name="localcall",
            index=models.Index(
                condition=models.Q(("finished_at__isnull", True)),
                fields=["queue", "created_at"],
                name="local_calls_open",
            ),
        ),
    ]
