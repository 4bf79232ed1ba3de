"""Every list and filter has its index, and what waits is found by type (decision 47)."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models import Q, Value
from django.db.models.functions import Coalesce

from auteur.core.database.ordering import TimeAtUtc

WAITS = Q(status="pending", attempt__isnull=True)
UNSUCCESSFUL = Q(status__in=["failed", "cancelled"])
INDEXES = [
    models.Index(
        fields=["gpu_class", "type", "rank", "created_at"],
        condition=WAITS,
        name="jobs_to_admit_by_type",
    ),
    models.Index(
        *("gpu_class", "type", "user_id", Coalesce("plan", Value("")), "rank"),
        "created_at",
        condition=WAITS,
        name="jobs_to_admit_by_user",
    ),
    models.Index(
        fields=["user", "status", "-created_at", "-id"],
        condition=UNSUCCESSFUL,
        name="jobs_unsuccessful_of_user",
    ),
    models.Index(fields=["user", "type", "-created_at", "-id"], name="jobs_of_user_by_type"),
    models.Index(
        fields=["project", "-created_at", "-id"],
        condition=Q(project__isnull=False),
        name="jobs_of_project",
    ),
    models.Index(fields=["attempt"], condition=Q(attempt__isnull=False), name="jobs_of_attempt"),
    models.Index(TimeAtUtc("created_at").desc(), name="jobs_lately"),
    models.Index(
        "status",
        TimeAtUtc("created_at").desc(),
        condition=UNSUCCESSFUL,
        name="jobs_unsuccessful_lately",
    ),
    models.Index(
        "error_code",
        TimeAtUtc("created_at").desc(),
        condition=Q(error_code__isnull=False),
        name="jobs_in_error_lately",
    ),
    models.Index(
        fields=["type", "status", "-created_at"],
        condition=Q(status__in=("completed", "failed", "cancelled")),
        name="jobs_ended_by_type",
    ),
]


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("jobs", "0028_figures_row_level_security")]

    operations = [
        *(AddIndexConcurrently("job", index) for index in INDEXES),
    ]
