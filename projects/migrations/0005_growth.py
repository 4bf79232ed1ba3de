"""Ids that rise with time; the list's index finds a user's projects, too (docs/decisions/0046)."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from auteur.core.database.keys import NewId, new_id


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("projects", "0004_render_folders_plans"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AlterField(
            "project",
            "id",
            models.UUIDField(db_default=NewId(), default=new_id, primary_key=True, serialize=False),
        ),
        migrations.SeparateDatabaseAndState(
            [
                migrations.RunSQL(
                    "DROP INDEX CONCURRENTLY IF EXISTS projects_user_id_155ff78a",
                    "CREATE INDEX CONCURRENTLY IF NOT EXISTS projects_user_id_155ff78a"
                    " ON projects (user_id)",
                )
            ],
            [
                migrations.AlterField(
                    "project",
                    "user",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="projects",
                        to=settings.AUTH_USER_MODEL,
                    ),
                )
            ],
        ),
    ]
