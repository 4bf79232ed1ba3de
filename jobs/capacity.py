"""How many calls of a GPU class may be in flight."""

from django.conf import settings

from gpu_tasks.runtime.contract import CLASS_LIMITS, GpuClass
from jobs.features.registry import features

LOCAL = "local"
"""The backend that runs calls on workers of our own."""
DEFAULT_LOCAL_LIMIT = 1


def class_limit(gpu_class: GpuClass) -> int:
    """What our workers can run, where any feature's calls of the class go there; else the rented
    GPUs that we allow ourselves.

    A class is counted as one: a feature on our own workers must not fill their queue with what
    another one's rented GPUs have room for.
    """
    if gpu_class == GpuClass.CPU:
        return int(settings.CPU_LIMIT)
    if _is_served_by_us(gpu_class):
        return int(settings.LOCAL_GPU_LIMITS.get(gpu_class, DEFAULT_LOCAL_LIMIT))
    return CLASS_LIMITS[gpu_class]


def _is_served_by_us(gpu_class: GpuClass) -> bool:
    return any(
        feature.backend == LOCAL
        for feature in features().values()
        if feature.gpu_class == gpu_class
    )
