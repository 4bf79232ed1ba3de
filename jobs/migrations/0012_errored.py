"""The attempt's state `broken` is called `errored`, and `swept_at` goes: see docs/decisions/0027."""

from django.contrib.postgres.operations import (
    AddConstraintNotValid,
    AddIndexConcurrently,
    RemoveIndexConcurrently,
    ValidateConstraint,
)
from django.db import migrations, models

STATES = [
    "queued",
    "preparing",
    "prepared",
    "dispatching",
    "running",
    "reported",
    "collecting",
    "collected",
    "finalizing",
    "errored",
    "completed",
    "failed",
    "cancelled",
]
IN_POOL = ("queued", "preparing", "prepared", "dispatching", "running", "errored")


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("jobs", "0011_words_of_the_field")]

    operations = [
        migrations.RemoveConstraint("attempt", "attempts_state_known"),
        migrations.RunSQL(
            "UPDATE job_attempts SET state = 'errored' WHERE state = 'broken'",
            "UPDATE job_attempts SET state = 'broken' WHERE state = 'errored'",
        ),
        migrations.AlterField(
            "attempt",
            "state",
            models.CharField(
                choices=[(state, state.capitalize()) for state in STATES],
                default="queued",
                max_length=20,
            ),
        ),
        AddConstraintNotValid(
            "attempt",
            models.CheckConstraint(
                condition=models.Q(("state__in", STATES)), name="attempts_state_known"
            ),
        ),
        ValidateConstraint("attempt", "attempts_state_known"),
        RemoveIndexConcurrently("attempt", "attempts_in_pool"),
        AddIndexConcurrently(
            "attempt",
            models.Index(
                condition=models.Q(("state__in", IN_POOL)),
                fields=["gpu_class"],
                name="attempts_in_pool",
            ),
        ),
        RemoveIndexConcurrently("attempt", "attempts_to_sweep"),
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(
                    "-- squawk-ignore ban-drop-column\n"
                    "ALTER TABLE job_attempts DROP COLUMN swept_at",
                    "ALTER TABLE job_attempts ADD COLUMN swept_at timestamptz",
                ),
            ],
            state_operations=[migrations.RemoveField("attempt", "swept_at")],
        ),
    ]
