from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0008_ids")]

    operations = [
        migrations.AddField(
            model_name="job",
            name="derived_params",
            field=models.JSONField(
                blank=True,
                help_text=("Derived parameters: defaults, and properties found at the submission."),
                null=True,
            ),
        ),
        migrations.AlterField(
            model_name="job",
            name="input_params",
            field=models.JSONField(
                blank=True, help_text="The parameters that the user gave.", null=True
            ),
        ),
    ]
