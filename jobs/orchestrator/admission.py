"""Admit pending jobs: give them their first attempt when their GPU class has capacity."""

from collections.abc import Collection

from django.db import transaction

from gpu_tasks.runtime.contract import GpuClass
from jobs import lifecycle, sql, watermarks
from jobs.calls import circuits
from jobs.calls.capacity import class_limit
from jobs.calls.circuits import OpenCircuit
from jobs.features.base import Feature
from jobs.features.registry import features
from jobs.models import GpuPool
from jobs.orchestrator.due import AGAIN_AFTER
from jobs.publishing import WakeUp
from jobs.states import AttemptState

ADMIT_AT_ONCE = 250
"""Jobs of one GPU class that are admitted in one round."""


def admit_all() -> int:
    """Give waiting jobs their first attempt, by rank, and return how many were admitted.

    They are due at once, like all other attempts.
    """
    return len(admit(with_room=()))


def admit(*, with_room: Collection[str]) -> list[tuple[WakeUp, bool]]:
    """Admit jobs as `admit_all` does, and return their wake-ups.

    Each comes with True if the caller must publish it, which holds for the types ``with_room``.
    Unless such an attempt changes its state, it is due again after `AGAIN_AFTER`.
    """
    # During a deploy the API may know a feature before this process does. Its jobs wait.
    open_circuits = {
        name: circuits.open_circuits_of(feature) for name, feature in features().items()
    }
    types = [feature for name, feature in features().items() if not open_circuits[name]]
    admissions = [
        admission
        for gpu_class in _list_classes_with_waiting_jobs(types)
        for admission in _admit_class(gpu_class, types, with_room)
    ]
    for name, feature_circuits in open_circuits.items():
        if feature_circuits and all(circuit.is_probe_due for circuit in feature_circuits):
            admissions += _admit_probe(features()[name], feature_circuits, with_room)
    return admissions


def _list_classes_with_waiting_jobs(types: Collection[Feature]) -> list[GpuClass]:
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
    feature: Feature, feature_circuits: Collection[OpenCircuit], with_room: Collection[str]
) -> list[tuple[WakeUp, bool]]:
    """Admit one job of a feature through its open circuits, if a probe is due."""
    classes = _list_classes_with_waiting_jobs([feature])
    if not classes or not circuits.claim_probe(feature_circuits):
        return []
    admissions = _admit_class(classes[0], [feature], with_room, at_once=1)
    for wake_up, _ in admissions:
        circuits.set_probe(feature_circuits, wake_up.attempt_id)
    return admissions


@transaction.atomic
def _admit_class(
    gpu_class: GpuClass,
    types: Collection[Feature],
    with_room: Collection[str],
    at_once: int = ADMIT_AT_ONCE,
) -> list[tuple[WakeUp, bool]]:
    while not sql.run("lock_pool", gpu_class=gpu_class):
        GpuPool.objects.get_or_create(gpu_class=gpu_class)
    rows = lifecycle.begin_first_attempts(
        gpu_class=gpu_class,
        types=types,
        limit=class_limit(gpu_class),
        at_once=at_once,
        with_room=with_room,
        again=AGAIN_AFTER,
    )
    return [(WakeUp(pk, AttemptState.QUEUED, name), is_claimed) for pk, name, is_claimed in rows]
