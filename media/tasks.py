"""Define the Celery tasks of this app. Each message is a wake-up for one row."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from celery import Task, shared_task
from celery.signals import worker_shutting_down
from django.conf import settings

from auteur.core.work.leases import Leases
from media import checking
from media.consents import removal_worker
from media.derivation import worker
from media.derivation.states import DERIVATIONS
from media.imports import states, transfers
from media.kinds import FILES, VOICES


@shared_task(name="media.check", ignore_result=True, time_limit=checking.HARD_LIMIT_SECONDS)
def check(media_id: str) -> None:
    """Check a confirmed upload, if it is still waiting."""
    checking.run_check(FILES, UUID(media_id))


@shared_task(name="voices.check", ignore_result=True, time_limit=checking.HARD_LIMIT_SECONDS)
def check_voice(voice_id: str) -> None:
    """Check a confirmed voice sample, if it is still waiting."""
    checking.run_check(VOICES, UUID(voice_id))


@shared_task(name="media.derive", ignore_result=True, time_limit=worker.HARD_LIMIT_SECONDS)
def derive(media_id: str) -> None:
    """Make the derivatives of a media file, if it is still waiting."""
    worker.run_derivation(UUID(media_id))


@shared_task(name="media.import", ignore_result=True)
def fetch(media_id: str) -> None:
    """Fetch the file of an import, if it is still waiting, and others that become due.

    The task has no time limit, because each transfer has one.
    """
    transfers.serve_imports(UUID(media_id))


@shared_task(
    name="consents.follow", ignore_result=True, time_limit=removal_worker.HARD_LIMIT_SECONDS
)
def follow(consent_id: str) -> None:
    """Remove what a revoked consent covers, if that is not done yet."""
    removal_worker.run_removal(UUID(consent_id))


@worker_shutting_down.connect
def release(**signal: Any) -> None:
    """Release the leases of a stopping worker, so that others continue at once."""
    transfers.stop_serving()
    states.release_leases(os.getpid())
    removal_worker.release_leases(os.getpid())


@dataclass(frozen=True)
class Work:
    """A kind of waiting rows, and the task that processes one."""

    leases: Leases[Any]
    task: Task
    at_once: Callable[[], int | None] = lambda: None
    """Returns the limit of concurrent holders, or None for as many as there are workers."""

    @property
    def queue(self) -> str:
        return str(self.task.name)


WORK = [
    Work(checking.CHECKS[FILES], check),
    Work(checking.CHECKS[VOICES], check_voice),
    Work(removal_worker.REVOCATIONS, follow),
    # Slow servers must not delay other work: a media worker has extra processes for imports. Each
    # takes due imports by itself while it has a transfer running.
    Work(states.IMPORTS, fetch, lambda: settings.IMPORT_LIMIT),
    # Users wait for checks, so derivatives leave a process free for them.
    Work(DERIVATIONS, derive, lambda: settings.DERIVE_LIMIT),
]
"""The work that users wait for comes first, then work that other apps register."""


def register_work(work: Work) -> None:
    """Register work for the media workers; a second call with the queue has no effect."""
    if all(registered.queue != work.queue for registered in WORK):
        WORK.append(work)
