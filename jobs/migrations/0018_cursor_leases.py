"""A reader of the whole log that works under a lease, and tells how what it writes to stands."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0017_events_set_aside")]

    operations = [
        migrations.AddField(
            "eventcursor",
            "holder",
            models.CharField(blank=True, max_length=255, null=True),
        ),
        migrations.AddField(
            "eventcursor",
            "held_until",
            models.DateTimeField(
                blank=True,
                help_text="The end of the holder's lease.",
                null=True,
            ),
        ),
        migrations.AddField(
            "eventcursor",
            "standing",
            models.JSONField(
                blank=True,
                help_text="The state of the streams, as reported last.",
                null=True,
            ),
        ),
        migrations.AddField(
            "eventcursor", "standing_at", models.DateTimeField(blank=True, null=True)
        ),
    ]
