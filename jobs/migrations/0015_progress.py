from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0014_outbox")]

    operations = [
        migrations.AddField(
            model_name="attempt",
            name="progress_at",
            field=models.DateTimeField(
                blank=True, help_text="The time of the last new report of the call.", null=True
            ),
        ),
        migrations.AddField(
            model_name="attempt",
            name="stage",
            field=models.CharField(
                blank=True,
                help_text="The stage that the call reported last.",
                max_length=20,
                null=True,
            ),
        ),
    ]
