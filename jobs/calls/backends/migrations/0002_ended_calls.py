from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("gpu_tasks", "0001_initial")]

    operations = [
        migrations.AddIndex(
            model_name="localcall",
            index=models.Index(
                condition=models.Q(("finished_at__isnull", False)),
                fields=["finished_at"],
                name="local_calls_ended",
            ),
        ),
    ]
