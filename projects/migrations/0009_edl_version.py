"""PostgreSQL knows how far a project's timeline in MongoDB had come."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("projects", "0008_sorted_lists")]

    operations = [
        migrations.AddField(
            "project",
            "edl_version",
            models.BigIntegerField(
                null=True,
                editable=False,
                help_text="A version that the document has reached.",
            ),
        ),
    ]
