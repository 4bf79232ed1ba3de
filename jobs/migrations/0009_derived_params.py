from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0008_ids")]

    operations = [
        migrations.AddField(
            model_name="job",
            name="derived_params",
            field=models.JSONField(
                blank=True,
                help_text=(
                    "What it goes by besides: defaults, and what was found when it was asked for."
                ),
                null=True,
            ),
        ),
        migrations.AlterField(
            model_name="job",
            name="input_params",
            field=models.JSONField(blank=True, help_text="What its user gave.", null=True),
        ),
    ]
