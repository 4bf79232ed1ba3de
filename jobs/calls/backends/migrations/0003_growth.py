"""Ids that rise with time (docs/decisions/0046)."""

from django.db import migrations, models

from auteur.core.database.keys import new_id


class Migration(migrations.Migration):
    dependencies = [("gpu_tasks", "0002_ended_calls")]

    operations = [
        migrations.AlterField(
            "localcall",
            "id",
            models.UUIDField(default=new_id, primary_key=True, serialize=False),
        ),
    ]
