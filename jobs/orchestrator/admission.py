"""Admission: pending jobs get their first attempt where their GPU class has room."""

from collections.abc import Collection

from django.db import transaction

from gpu_tasks.runtime.contract import GpuClass
from jobs import floors, lifecycle, sql
from jobs.capacity import class_limit
from jobs.features.registry import features
from jobs.models import GpuPool
from jobs.orchestrator.due import AGAIN_AFTER
from jobs.publishing import WakeUp
from jobs.states import AttemptState

ADMIT_AT_ONCE = 250
"""Of one class in one round."""


def admit_all() -> int:
    """Give waiting jobs their first attempt, by rank; returns how many were admitted.

    They are due then, as all others.
    """
    return len(admit(with_room=()))


def admit(*, with_room: Collection[str]) -> list[tuple[WakeUp, bool]]:
    """As `admit_all`; those of the types ``with_room`` are the caller's to wake: True beside them.

    Unless they move on, they are due again after `AGAIN_AFTER`.
    """
    # During a deploy the API may know a feature before this process does: its jobs wait.
    ranks, times = zip(*(floors.current().of(name).waiting_from for name in GpuClass), strict=True)
    rows = sql.run(
        "classes_with_waiting_jobs",
        classes=list(GpuClass),
        ranks=list(ranks),
        times=list(times),
        types=list(features()),
    )
    waiting = sorted(GpuClass(name) for (name,) in rows)
    return [one for gpu_class in waiting for one in _admit(gpu_class, with_room)]


@transaction.atomic
def _admit(gpu_class: GpuClass, with_room: Collection[str]) -> list[tuple[WakeUp, bool]]:
    while not sql.run("lock_pool", gpu_class=gpu_class):
        GpuPool.objects.get_or_create(gpu_class=gpu_class)
    admitted = lifecycle.begin_first_attempts(
        gpu_class=gpu_class,
        limit=class_limit(gpu_class),
        at_once=ADMIT_AT_ONCE,
        with_room=with_room,
        again=AGAIN_AFTER,
    )
    return [(WakeUp(pk, AttemptState.QUEUED, name), taken) for pk, name, taken in admitted]
