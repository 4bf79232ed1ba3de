"""The schema at ten million jobs: ids, indexes, conditions, storage (docs/decisions/0046)."""

from django.contrib.postgres.operations import (
    AddConstraintNotValid,
    AddIndexConcurrently,
    ValidateConstraint,
)
from django.db import migrations, models
from django.db.models import Q

from auteur.core.database.conditions import OneOf
from auteur.core.database.keys import NewId, new_id

OPEN = ["pending", "processing"]
ENDED = ["completed", "failed", "cancelled"]
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
    *ENDED,
]
CLAIMED = ["preparing", "dispatching", "collecting", "finalizing"]
EVENTS = ["requested", "started", "retrying", "requeued", *ENDED]

STORAGE = """
ALTER TABLE jobs SET (fillfactor = 85, autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 50000, autovacuum_vacuum_insert_scale_factor = 0,
    autovacuum_vacuum_insert_threshold = 200000, autovacuum_analyze_scale_factor = 0,
    autovacuum_analyze_threshold = 200000);
ALTER TABLE job_attempts SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 50000, autovacuum_vacuum_insert_scale_factor = 0,
    autovacuum_vacuum_insert_threshold = 200000, autovacuum_analyze_scale_factor = 0,
    autovacuum_analyze_threshold = 200000);
ALTER TABLE user_events SET (autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 100000, autovacuum_vacuum_insert_scale_factor = 0,
    autovacuum_vacuum_insert_threshold = 500000, autovacuum_analyze_scale_factor = 0,
    autovacuum_analyze_threshold = 500000);
ALTER TABLE job_events SET (autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 5000, autovacuum_analyze_scale_factor = 0,
    autovacuum_analyze_threshold = 10000);
ALTER TABLE webhook_deliveries SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 20000, autovacuum_analyze_scale_factor = 0,
    autovacuum_analyze_threshold = 50000);
ALTER TABLE fair_queue_cursors SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 1000);
ALTER TABLE event_heads SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 1000);
ALTER TABLE event_cursors SET (fillfactor = 10);
ALTER TABLE gpu_pools SET (fillfactor = 10);
ALTER TABLE worker_heartbeats SET (fillfactor = 10);
"""
STORAGE_UNDO = "\n".join(
    f"ALTER TABLE {table} RESET (fillfactor, autovacuum_vacuum_scale_factor,"
    " autovacuum_vacuum_threshold, autovacuum_vacuum_insert_scale_factor,"
    " autovacuum_vacuum_insert_threshold, autovacuum_analyze_scale_factor,"
    " autovacuum_analyze_threshold);"
    for table in (
        "jobs",
        "job_attempts",
        "user_events",
        "job_events",
        "webhook_deliveries",
        "fair_queue_cursors",
        "event_heads",
        "event_cursors",
        "gpu_pools",
        "worker_heartbeats",
    )
)


def replaced(model, old, condition, new):
    """Return operations that replace a check by one that is at least as strict."""
    return (
        AddConstraintNotValid(model, models.CheckConstraint(condition=condition, name=new)),
        ValidateConstraint(model, new),
        migrations.RemoveConstraint(model, old),
    )


def ids(model, **options):
    return migrations.AlterField(
        model, "id", models.UUIDField(default=new_id, primary_key=True, serialize=False, **options)
    )


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("jobs", "0021_api_keys"),
    ]

    operations = [
        ids("job", db_default=NewId()),
        *(
            ids(m)
            for m in ("attempt", "deadletter", "partner", "partnerrequest", "webhookendpoint")
        ),
        migrations.RunSQL(STORAGE, STORAGE_UNDO),
        AddIndexConcurrently(
            "job",
            models.Index(
                fields=["user", "-created_at", "-id"],
                condition=Q(status__in=tuple(OPEN)),
                name="jobs_open_of_user",
            ),
        ),
        AddIndexConcurrently(
            "job",
            models.Index(
                fields=["retry_of"], condition=Q(retry_of__isnull=False), name="jobs_retrying"
            ),
        ),
        *replaced(
            "job",
            "jobs_open_have_wake_at",
            Q(wake_at__isnull=False, completed_at=None) & Q(OneOf("status", OPEN))
            | Q(wake_at=None, completed_at__isnull=False) & Q(OneOf("status", ENDED)),
            "jobs_wake_while_open",
        ),
        *replaced(
            "job",
            "jobs_refund_only_of_charged",
            Q(credits_refunded=False) | Q(credits_cost__gt=0, completed_at__isnull=False),
            "jobs_refunded_were_charged",
        ),
        AddIndexConcurrently(
            "attempt",
            models.Index(
                fields=["gpu_class", "created_at"],
                condition=Q(finished_at=None),
                name="attempts_unfinished",
            ),
        ),
        *replaced(
            "attempt", "attempts_state_known", Q(OneOf("state", STATES)), "attempts_in_a_state"
        ),
        *replaced(
            "attempt",
            "attempts_claimed_have_a_holder",
            Q(worker__isnull=False, lease_expires_at__isnull=False) | ~Q(OneOf("state", CLAIMED)),
            "attempts_claimed_are_held",
        ),
        *replaced(
            "event", "job_events_type_known", Q(OneOf("type", EVENTS)), "job_events_of_a_type"
        ),
    ]
