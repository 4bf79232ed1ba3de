"""Admission: pending jobs get their first attempt where their GPU class has room."""

from django.db import transaction

from gpu_tasks.runtime.contract import GpuClass
from jobs import lifecycle, sql
from jobs.capacity import class_limit
from jobs.features.registry import features
from jobs.models import GpuPool

ADMIT_AT_ONCE = 250
"""Of one class in one round."""


def admit_all() -> int:
    """Give waiting jobs their first attempt, by rank; returns how many were admitted."""
    # During a deploy the API may know a feature before this process does: its jobs wait.
    rows = sql.run("classes_with_waiting_jobs", classes=list(GpuClass), types=list(features()))
    waiting = sorted(GpuClass(name) for (name,) in rows)
    return sum(_admit(gpu_class) for gpu_class in waiting)


@transaction.atomic
def _admit(gpu_class: GpuClass) -> int:
    while not sql.run("lock_pool", gpu_class=gpu_class):
        GpuPool.objects.get_or_create(gpu_class=gpu_class)
    return lifecycle.begin_first_attempts(
        gpu_class=gpu_class, limit=class_limit(gpu_class), at_once=ADMIT_AT_ONCE
    )
