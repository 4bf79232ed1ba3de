"""Jobs remember which API key submitted them (docs/decisions/0037)."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0020_partners")]

    operations = [
        migrations.AddField(
            "job",
            "api_key_id",
            models.UUIDField(
                blank=True, help_text="The API key that submitted it, if one did.", null=True
            ),
        ),
    ]
