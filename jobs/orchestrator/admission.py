"""Admission: pending jobs get their first attempt as their GPU class has room."""

from django.db import transaction

from auteur.database import execute
from gpu_tasks.runtime.contract import GpuClass
from jobs import lifecycle
from jobs.capacity import class_limit
from jobs.features.registry import features
from jobs.models import GpuPool

ADMIT_AT_ONCE = 250
"""Jobs let in per class and round."""

LOCK = "SELECT FROM gpu_pools WHERE gpu_class = %(gpu_class)s FOR UPDATE"
WAITING = """
SELECT class.name FROM unnest(%(classes)s::text[]) AS class (name) WHERE EXISTS (
    SELECT FROM jobs
    WHERE status = 'pending' AND attempt_id IS NULL AND gpu_class = class.name
      AND type = ANY(%(types)s) AND wake_at <= statement_timestamp()
)"""


def admit_all() -> int:
    """Give waiting jobs their first attempt, in turns; returns how many were admitted."""
    # During a deploy the API may know a feature before this process does: its jobs wait.
    values = {"classes": list(GpuClass), "types": list(features())}
    waiting = sorted(GpuClass(name) for (name,) in execute(WAITING, values))
    return sum(_admit(gpu_class) for gpu_class in waiting)


@transaction.atomic
def _admit(gpu_class: GpuClass) -> int:
    # Orchestrators count one after another: the class's row is locked until they are done.
    while not execute(LOCK, {"gpu_class": gpu_class}):
        GpuPool.objects.get_or_create(gpu_class=gpu_class)
    return lifecycle.begin_first_attempts(
        gpu_class=gpu_class, limit=class_limit(gpu_class), at_once=ADMIT_AT_ONCE
    )
