"""Admission: pending jobs get their first attempt where their GPU class has room."""

from collections.abc import Collection

from django.db import transaction

from gpu_tasks.runtime.contract import GpuClass
from jobs import circuits, lifecycle, sql, watermarks
from jobs.capacity import class_limit
from jobs.circuits import OpenCircuit
from jobs.features.base import Feature
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
    stopped = {name: circuits.open_circuits_of(feature) for name, feature in features().items()}
    types = [feature for name, feature in features().items() if not stopped[name]]
    admitted = [
        admission
        for gpu_class in _classes_with_waiting_jobs(types)
        for admission in _admit(gpu_class, types, with_room)
    ]
    for name, stopped_by in stopped.items():
        if stopped_by and all(circuit.is_probe_due for circuit in stopped_by):
            admitted += _admit_probe(features()[name], stopped_by, with_room)
    return admitted


def _classes_with_waiting_jobs(types: Collection[Feature]) -> list[GpuClass]:
    if not types:
        return []
    ranks, times = zip(
        *(watermarks.current_watermarks().of(name).waiting_from for name in GpuClass), strict=True
    )
    rows = sql.run(
        "classes_with_waiting_jobs",
        classes=list(GpuClass),
        ranks=list(ranks),
        times=list(times),
        types=[feature.name for feature in types],
    )
    return sorted(GpuClass(name) for (name,) in rows)


@transaction.atomic
def _admit_probe(
    feature: Feature, stopped_by: Collection[OpenCircuit], with_room: Collection[str]
) -> list[tuple[WakeUp, bool]]:
    """Admit one job of a feature through its open circuits, if it is time for a probe."""
    classes = _classes_with_waiting_jobs([feature])
    if not classes or not circuits.claim_probe(stopped_by):
        return []
    admitted = _admit(classes[0], [feature], with_room, at_once=1)
    for wake_up, _ in admitted:
        circuits.set_probe(stopped_by, wake_up.attempt_id)
    return admitted


@transaction.atomic
def _admit(
    gpu_class: GpuClass,
    types: Collection[Feature],
    with_room: Collection[str],
    at_once: int = ADMIT_AT_ONCE,
) -> list[tuple[WakeUp, bool]]:
    while not sql.run("lock_pool", gpu_class=gpu_class):
        GpuPool.objects.get_or_create(gpu_class=gpu_class)
    admitted = lifecycle.begin_first_attempts(
        gpu_class=gpu_class,
        types=types,
        limit=class_limit(gpu_class),
        at_once=at_once,
        with_room=with_room,
        again=AGAIN_AFTER,
    )
    return [(WakeUp(pk, AttemptState.QUEUED, name), taken) for pk, name, taken in admitted]
