"""Media at ten million jobs: ids, indexes, storage (docs/decisions/0046)."""

import django.db.models.deletion
from django.conf import settings
from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models
from django.db.models import Q

from auteur.core.database.keys import NewId, new_id


def ids(model, **options):
    return migrations.AlterField(
        model, "id", models.UUIDField(default=new_id, primary_key=True, serialize=False, **options)
    )


def unindexed(field, foreign_key, index):
    """Remove the index of a foreign key, without the new check of all rows by Django."""
    return migrations.SeparateDatabaseAndState(
        [
            migrations.RunSQL(
                f"DROP INDEX CONCURRENTLY IF EXISTS {index}",
                f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {index} ON media_files ({field}_id)",
            )
        ],
        [migrations.AlterField("mediafile", field, foreign_key)],
    )


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("media", "0015_consents"),
        ("projects", "0004_render_folders_plans"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        ids("mediafile", db_default=NewId()),
        ids("voiceclone", db_default=NewId()),
        ids("consent"),
        ids("removal"),
        migrations.RunSQL(
            "ALTER TABLE media_files SET (autovacuum_vacuum_scale_factor = 0,"
            " autovacuum_vacuum_threshold = 50000, autovacuum_analyze_scale_factor = 0,"
            " autovacuum_analyze_threshold = 100000)",
            "ALTER TABLE media_files RESET (autovacuum_vacuum_scale_factor,"
            " autovacuum_vacuum_threshold, autovacuum_analyze_scale_factor,"
            " autovacuum_analyze_threshold)",
        ),
        AddIndexConcurrently(
            "mediafile",
            models.Index(
                fields=["project", "-created_at", "-id"],
                condition=Q(project__isnull=False),
                name="media_files_in_project",
            ),
        ),
        RemoveIndexConcurrently("mediafile", "media_files_of_project"),
        unindexed(
            "project",
            models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="media_files",
                to="projects.project",
            ),
            "media_files_project_id_0c32d7a3",
        ),
        unindexed(
            "user",
            models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="media_files",
                to=settings.AUTH_USER_MODEL,
            ),
            "media_files_user_id_5bc9da28",
        ),
    ]
