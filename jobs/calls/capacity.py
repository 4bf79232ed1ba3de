"""Compute how many calls may run at once."""

from django.conf import settings

from gpu_tasks.runtime.contract import GpuClass, get_rented_limit
from jobs.features.registry import features

LOCAL = "local"
"""The backend that runs calls on workers of our own."""
DEFAULT_LOCAL_LIMIT = 1


def class_limit(gpu_class: str) -> int:
    """Return how many calls of a GPU class may run at once; 0 for an unknown class.

    This is the number that our own workers can run, if any feature of the class uses them, else the
    limit of rented GPUs (``GPU_LIMITS``). With the limit of rented GPUs, a feature on our workers
    could fill their queue by the limit of another feature.
    """
    if gpu_class == GpuClass.CPU:
        return int(settings.CPU_LIMIT)
    if _is_served_by_us(gpu_class):
        return int(settings.LOCAL_GPU_LIMITS.get(gpu_class, DEFAULT_LOCAL_LIMIT))
    return get_rented_limit(gpu_class) or 0


def _is_served_by_us(gpu_class: str) -> bool:
    return any(
        feature.backend == LOCAL
        for feature in features().values()
        if feature.gpu_class == gpu_class
    )
