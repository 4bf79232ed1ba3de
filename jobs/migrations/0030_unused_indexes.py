"""Indexes that nothing asks for any more (docs/decisions/0046, 0047).

What ran before asks for three of them (attempts in a pool, jobs to admit, jobs completed lately), and
reads whole tables without: where these are large, this one waits until all processes are new.
"""

import django.db.models.deletion
from django.conf import settings
from django.contrib.postgres.operations import RemoveIndexConcurrently
from django.db import migrations, models


def unindexed(model, field, foreign_key, index, columns):
    """Remove the index of a foreign key, without the new check of all rows by Django."""
    return migrations.SeparateDatabaseAndState(
        [
            migrations.RunSQL(
                f"DROP INDEX CONCURRENTLY IF EXISTS {index}",
                f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {index} ON {columns}",
            )
        ],
        [migrations.AlterField(model, field, foreign_key)],
    )


def key(to, on_delete="PROTECT", **options):
    return models.ForeignKey(
        to=to,
        on_delete=getattr(django.db.models.deletion, on_delete),
        db_index=False,
        **options,
    )


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("jobs", "0029_lists"),
        ("projects", "0004_render_folders_plans"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        RemoveIndexConcurrently("attempt", "attempts_in_pool"),
        RemoveIndexConcurrently("job", "jobs_to_admit"),
        RemoveIndexConcurrently("job", "jobs_completed_lately"),
        unindexed(
            "job",
            "user",
            key(settings.AUTH_USER_MODEL, related_name="jobs"),
            "jobs_user_id_4ba01a1d",
            "jobs (user_id)",
        ),
        unindexed(
            "job",
            "project",
            key("projects.project", "SET_NULL", blank=True, null=True, related_name="jobs"),
            "jobs_project_id_cba441e6",
            "jobs (project_id)",
        ),
        unindexed(
            "job",
            "retry_of",
            key("jobs.job", blank=True, null=True, related_name="retries"),
            "jobs_retry_of_id_6cee785e",
            "jobs (retry_of_id)",
        ),
        unindexed(
            "job",
            "attempt",
            key(
                "jobs.attempt",
                blank=True,
                null=True,
                related_name="+",
                help_text="The current attempt. Reports of older attempts have no effect.",
            ),
            "jobs_attempt_id_253b3aba",
            "jobs (attempt_id)",
        ),
        unindexed(
            "attempt",
            "job",
            key("jobs.job", related_name="attempts"),
            "job_attempts_job_id_ce59b16b",
            "job_attempts (job_id)",
        ),
        unindexed(
            "fairqueuecursor",
            "user",
            key(settings.AUTH_USER_MODEL, "CASCADE", related_name="+"),
            "gpu_lanes_user_id_58ad8c93",
            "fair_queue_cursors (user_id)",
        ),
    ]
