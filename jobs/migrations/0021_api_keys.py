"""Jobs remember which API key submitted them (docs/decisions/0037).

``jobs_open_have_wake_at`` says as well which states there are, and each statement that writes jobs
parses their checks.
"""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0020_partners")]

    operations = [
        migrations.AddField(
            "job",
            "api_key_id",
            models.UUIDField(
                blank=True, help_text="The API key that submitted the job, if any.", null=True
            ),
        ),
        migrations.RemoveConstraint("job", "jobs_status_known"),
    ]
