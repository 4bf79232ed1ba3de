"""Stored names in the field's words, at once: see docs/decisions/0027."""

from django.db import migrations, models

ALLOWED = "-- squawk-ignore renaming-column, renaming-table, renaming-object\n"
"""What Squawk warns of needs the processes of release 0.1 to be stopped, which decision 27 asks."""
RENAMED = (
    ("ALTER TABLE job_attempts RENAME {} TO {}", "publications", "publish_count"),
    ("ALTER TABLE job_attempts RENAME {} TO {}", "faults", "crash_count"),
    ("ALTER TABLE jobs RENAME {} TO {}", "turn", "rank"),
    ("ALTER TABLE gpu_lanes RENAME {} TO {}", "last", "rank"),
    (
        "ALTER TABLE gpu_lanes RENAME CONSTRAINT {} TO {}",
        "gpu_lanes_one_per_user",
        "fair_queue_cursors_one_per_user",
    ),
    ("ALTER SEQUENCE {} RENAME TO {}", "gpu_lanes_id_seq", "fair_queue_cursors_id_seq"),
    ("ALTER TABLE {} RENAME TO {}", "gpu_lanes", "fair_queue_cursors"),
)
TO_ADMIT = models.Q(("attempt__isnull", True), ("status", "pending"))


class Migration(migrations.Migration):
    dependencies = [("jobs", "0010_attempts_start")]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(
                    [ALLOWED + statement.format(old, new) for statement, old, new in RENAMED],
                    [statement.format(new, old) for statement, old, new in reversed(RENAMED)],
                ),
            ],
            state_operations=[
                migrations.RenameField("attempt", "publications", "publish_count"),
                migrations.RenameField("attempt", "faults", "crash_count"),
                migrations.RemoveIndex("job", "jobs_to_admit"),
                migrations.RenameField("job", "turn", "rank"),
                migrations.AddIndex(
                    "job",
                    models.Index(
                        fields=["gpu_class", "rank", "created_at"],
                        condition=TO_ADMIT,
                        name="jobs_to_admit",
                    ),
                ),
                migrations.RenameModel("GpuLane", "FairQueueCursor"),
                migrations.AlterModelTable("FairQueueCursor", "fair_queue_cursors"),
                migrations.RenameField("fairqueuecursor", "last", "rank"),
                migrations.RemoveConstraint("fairqueuecursor", "gpu_lanes_one_per_user"),
                migrations.AddConstraint(
                    "fairqueuecursor",
                    models.UniqueConstraint(
                        fields=("user", "gpu_class"), name="fair_queue_cursors_one_per_user"
                    ),
                ),
                migrations.AlterField(
                    "attempt",
                    "crash_count",
                    models.SmallIntegerField(
                        default=0,
                        help_text="The number of workers that were lost with a claim on the "
                        "attempt.",
                    ),
                ),
                migrations.AlterField(
                    "gpupool",
                    "clock",
                    models.BigIntegerField(
                        db_default=0,
                        default=0,
                        help_text="The highest rank that has been admitted.",
                    ),
                ),
                migrations.AlterField(
                    "job",
                    "rank",
                    models.BigIntegerField(
                        db_default=0,
                        default=0,
                        help_text="The position in the fair queue of the class.",
                    ),
                ),
            ],
        ),
    ]
