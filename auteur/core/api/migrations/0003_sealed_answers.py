"""Answers are stored without secrets; those that have secrets, a second time, encrypted."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("api", "0002_growth")]

    operations = [
        migrations.AddField(
            "idempotencykey",
            "sealed_body",
            models.BinaryField(
                help_text="The answer with its secrets, encrypted; none where it has none.",
                null=True,
            ),
        ),
        migrations.AlterField(
            "idempotencykey",
            "body",
            models.TextField(help_text="Without any secret.", null=True),
        ),
    ]
