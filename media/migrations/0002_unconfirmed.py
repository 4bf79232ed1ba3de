from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("media", "0001_initial")]

    operations = [
        migrations.AddIndex(
            model_name="mediafile",
            index=models.Index(
                condition=models.Q(("status", "uploading")),
                fields=["created_at"],
                name="media_files_unconfirmed",
            ),
        ),
    ]
