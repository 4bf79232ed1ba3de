"""Partners are reached over Kafka or Redis Streams only (docs/decisions/0065)."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0041_archive_removed")]

    operations = [
        migrations.AlterField(
            "partner",
            "transport",
            models.CharField(
                choices=[("kafka", "Kafka"), ("redis", "Redis Streams")], max_length=20
            ),
        ),
    ]
