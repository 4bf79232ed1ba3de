from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("media", "0002_unconfirmed")]

    operations = [
        migrations.AddField(
            model_name="mediafile",
            name="origin",
            field=models.JSONField(
                blank=True,
                editable=False,
                help_text="How a job made the media: job, feature, engine, and the media that it "
                "used.",
                null=True,
            ),
        ),
    ]
