from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0009_derived_params")]

    operations = [
        migrations.AddField(
            model_name="attempt",
            name="started_at",
            field=models.DateTimeField(
                blank=True,
                help_text="When a machine began the call; null while the call waits.",
                null=True,
            ),
        ),
    ]
