"""Answers are stored without secrets; those that have secrets, a second time, encrypted."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("api", "0002_growth")]

    operations = [
        migrations.AddField(
            "idempotencykey",
            "sealed_body",
            models.BinaryField(
                help_text="The encrypted response body with its secrets, if it has any.",
                null=True,
            ),
        ),
        migrations.AlterField(
            "idempotencykey",
            "body",
            models.TextField(help_text="The response body without secrets.", null=True),
        ),
    ]
