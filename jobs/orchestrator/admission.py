"""Let pending jobs in while their GPU class has room."""

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from gpu_tasks.contract import CLASS_LIMITS, GpuClass
from jobs import lifecycle
from jobs.models import GpuPool, Job, JobStatus

ADMIT_AT_ONCE = 50
"""Jobs let in per class and round."""


def admit_all() -> int:
    """Give waiting jobs their first attempt, oldest first; returns how many were admitted."""
    waiting = set(_pending().values_list("gpu_class", flat=True).distinct())
    return sum(_admit(gpu_class) for gpu_class in GpuClass if gpu_class in waiting)


def _pending() -> QuerySet[Job]:
    return Job.objects.filter(status=JobStatus.PENDING, attempt=None, wake_at__lte=Now())


@transaction.atomic
def _admit(gpu_class: GpuClass) -> int:
    # Orchestrators count one after another: the class's row is locked until they are done.
    GpuPool.objects.get_or_create(gpu_class=gpu_class)
    GpuPool.objects.select_for_update().get(gpu_class=gpu_class)
    room = CLASS_LIMITS[gpu_class] - lifecycle.in_pool(gpu_class)
    jobs = (
        _pending()
        .filter(gpu_class=gpu_class)
        .select_for_update(no_key=True, skip_locked=True, of=("self",))
        .order_by("created_at")[: max(0, min(room, ADMIT_AT_ONCE))]
    )
    for job in jobs:
        lifecycle.begin_attempt(job=job)
    return len(jobs)
