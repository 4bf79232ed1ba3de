"""Let pending jobs in while their GPU class has room."""

from itertools import groupby

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from gpu_tasks.contract import CLASS_LIMITS, GpuClass
from jobs import lifecycle
from jobs.features.registry import feature_of, features
from jobs.models import GpuPool, Job, JobStatus

ADMIT_AT_ONCE = 50
"""Jobs let in per class and round."""


def admit_all() -> int:
    """Give waiting jobs their first attempt, oldest first; returns how many were admitted."""
    waiting = set(_pending().values_list("gpu_class", flat=True).distinct())
    return sum(_admit(gpu_class) for gpu_class in GpuClass if gpu_class in waiting)


def limit_of(gpu_class: GpuClass) -> int:
    """How many calls of a class may be in flight: of the CPU class, what our workers can run."""
    return settings.CPU_LIMIT if gpu_class == GpuClass.CPU else CLASS_LIMITS[gpu_class]


def _pending() -> QuerySet[Job]:
    # During a deploy the API may know a feature before this process does: its jobs wait.
    return Job.objects.filter(
        status=JobStatus.PENDING, attempt=None, wake_at__lte=Now(), type__in=list(features())
    )


@transaction.atomic
def _admit(gpu_class: GpuClass) -> int:
    # Orchestrators count one after another: the class's row is locked until they are done.
    GpuPool.objects.get_or_create(gpu_class=gpu_class)
    GpuPool.objects.select_for_update().get(gpu_class=gpu_class)
    room = limit_of(gpu_class) - lifecycle.in_pool(gpu_class)
    jobs = (
        _pending()
        .filter(gpu_class=gpu_class)
        .select_for_update(no_key=True, skip_locked=True, of=("self",))
        .order_by("created_at")[: max(0, min(room, ADMIT_AT_ONCE))]
    )
    for name, group in groupby(sorted(jobs, key=_type_of), key=_type_of):
        lifecycle.begin_first_attempts(feature=feature_of(name), jobs=list(group))
    return len(jobs)


def _type_of(job: Job) -> str:
    return job.type
