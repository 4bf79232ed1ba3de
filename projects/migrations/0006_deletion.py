"""A project that is being deleted is marked first (decision 47)."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("projects", "0005_growth")]

    operations = [
        migrations.AddField(
            "project", "deleted_at", models.DateTimeField(editable=False, null=True)
        ),
    ]
