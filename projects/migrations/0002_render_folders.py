from typing import ClassVar

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies: ClassVar = [
        ("projects", "0001_initial"),
    ]

    operations: ClassVar = [
        migrations.CreateModel(
            name="RenderFolder",
            fields=[
                ("project_id", models.UUIDField(primary_key=True, serialize=False)),
                ("user_id", models.UUIDField()),
                ("sweep_at", models.DateTimeField(db_index=True)),
            ],
            options={
                "db_table": "render_folders",
            },
        ),
    ]
