"""Open circuits where our infrastructure lost most recent work, and let single probes through.

There is a circuit for each feature and for each backend, a row in `circuits` that all orchestrators
share (docs/decisions/0059). `update_circuits` opens it, and closes it when a probe succeeds.
Admission and retries read `open_circuits`; an attempt passes an open circuit by `claim_probe` only.

The circuit `certificate` is no row: it is open in each process whose certificate of content
credentials cannot sign, for all features that make media, and lets no probe through.
"""

import logging
import time
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models.functions import Now
from django.utils import timezone

from gpu_tasks.runtime.errors import ErrorCode
from gpu_tasks.runtime.stages import Stage
from jobs import sql
from jobs.features.base import Feature
from jobs.features.registry import features
from jobs.models import Circuit
from media.provenance.certificates import UnusableCertificateError
from media.provenance.credentials import check_signing

logger = logging.getLogger(__name__)

WINDOW = timedelta(minutes=10)
"""Age up to which ends of attempts are counted."""
MIN_LOST = 5
"""Jobs that must have lost an attempt in the window. They must outnumber the completed ones."""
MAX_COMPLETED = 500
"""Completed jobs of a feature that are counted at most."""
PROBE_PAUSE = timedelta(seconds=30)
"""Time from the opening to the first probe; doubled for each further probe."""
MAX_PROBE_PAUSE = timedelta(minutes=5)
CERTIFICATE = "certificate"
CACHE_SECONDS = 1.0
"""How long a process uses what it has read."""
EARLY_STAGES = (Stage.LOADING, Stage.FETCHING)
"""A probe that is past these stages has a machine and its inputs: it has succeeded."""


@dataclass(frozen=True)
class OpenCircuit:
    """One open circuit."""

    name: str
    opened_at: datetime
    error_code: str
    next_probe_at: datetime | None
    """None if no probe can succeed."""

    @property
    def is_probe_due(self) -> bool:
        return self.next_probe_at is not None and self.next_probe_at <= timezone.now()


_cache: tuple[float, dict[str, OpenCircuit]] = (-CACHE_SECONDS, {})


def open_circuits() -> dict[str, OpenCircuit]:
    """Return the open circuits by name, as of a second ago at most."""
    global _cache  # noqa: PLW0603 - replaced as a whole, so threads need no lock
    read_at, previous = _cache
    if time.monotonic() - read_at < CACHE_SECONDS:
        return previous
    rows = Circuit.objects.filter(opened_at__isnull=False)
    circuits = {
        row.name: OpenCircuit(row.name, row.opened_at, row.error_code, row.next_probe_at)
        for row in rows
        if row.opened_at is not None and row.next_probe_at is not None
    }
    try:
        check_signing()
    except UnusableCertificateError as exc:
        circuit = previous.get(CERTIFICATE)
        opened_at = exc.since or (circuit.opened_at if circuit else timezone.now())
        circuits[CERTIFICATE] = OpenCircuit(CERTIFICATE, opened_at, ErrorCode.STORAGE_ERROR, None)
    _cache = (time.monotonic(), circuits)
    return circuits


def forget_cache() -> None:
    """Read the circuits anew at the next call of `open_circuits`."""
    global _cache  # noqa: PLW0603
    _cache = (-CACHE_SECONDS, {})


def list_circuit_names(feature: Feature) -> tuple[str, ...]:
    """Return the names of the circuits that a feature depends on."""
    names = (f"feature:{feature.name}", f"backend:{feature.backend}")
    return (*names, CERTIFICATE) if feature.makes_media else names


def open_circuits_of(feature: Feature) -> list[OpenCircuit]:
    """Return the open circuits that a feature depends on."""
    circuits = open_circuits()
    return [circuits[name] for name in list_circuit_names(feature) if name in circuits]


def claim_probe(circuits: Collection[OpenCircuit]) -> bool:
    """Return True if the caller may start one attempt through all these open circuits now.

    The next probe is due after a pause that doubles, and not while this probe runs.
    """
    if any(circuit.next_probe_at is None for circuit in circuits):
        return False
    rows = sql.run(
        "claim_probe",
        names=[circuit.name for circuit in circuits],
        max_seconds=MAX_PROBE_PAUSE.total_seconds(),
    )
    return bool(rows)


def set_probe(circuits: Collection[OpenCircuit], attempt_id: UUID) -> None:
    """Store which attempt is the probe that was claimed."""
    names = [circuit.name for circuit in circuits]
    Circuit.objects.filter(name__in=names, opened_at__isnull=False).update(probe_id=attempt_id)
    logger.info("attempt %s is the probe of %s", attempt_id, ", ".join(names))


def update_circuits() -> int:
    """Close circuits whose probe has succeeded, and open those that lose most jobs; return 0."""
    for name, seconds in sql.run("close_circuits", early_stages=list(EARLY_STAGES)):
        logger.warning("circuit %s closes after %d s: its probe has succeeded", name, seconds)
    for name, lost_count, error_code in sql.run("lost_jobs", window=WINDOW, least=MIN_LOST):
        completed_count = _count_completed(name)
        if lost_count > completed_count and _open_circuit(name, error_code):
            logger.warning(
                "circuit %s opens: %d jobs lost an attempt (%s) and %d were completed in %s",
                *(name, lost_count, error_code, completed_count, WINDOW),
            )
    return 0


def _count_completed(name: str) -> int:
    types = [feature.name for feature in features().values() if name in list_circuit_names(feature)]
    ((count,),) = sql.run("count_completed", types=types, window=WINDOW, most=MAX_COMPLETED)
    return int(count)


def _open_circuit(name: str, error_code: str) -> bool:
    """Open a closed circuit; return False if another orchestrator has opened it."""
    Circuit.objects.get_or_create(name=name)
    closed_circuit = Circuit.objects.filter(name=name, opened_at=None)
    return bool(
        closed_circuit.update(
            opened_at=Now(),
            error_code=error_code,
            next_probe_at=Now() + PROBE_PAUSE,
            probe_seconds=(2 * PROBE_PAUSE).total_seconds(),
            probe_id=None,
        )
    )
