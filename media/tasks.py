"""The Celery tasks of the room: wake-ups for one row each."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from celery import Task, shared_task
from celery.signals import worker_shutting_down
from django.conf import settings

from auteur.leases import Leases
from media import checking
from media.consents import removal_worker
from media.derivation import worker
from media.derivation.states import DERIVATIONS
from media.imports import states, transfers
from media.kinds import FILES, VOICES


@shared_task(name="media.check", ignore_result=True, time_limit=checking.HARD_LIMIT_SECONDS)
def check(media_id: str) -> None:
    """Look at a confirmed upload, if that is still waited for."""
    checking.run_check(FILES, UUID(media_id))


@shared_task(name="voices.check", ignore_result=True, time_limit=checking.HARD_LIMIT_SECONDS)
def check_voice(voice_id: str) -> None:
    """Listen to a confirmed sample, if that is still waited for."""
    checking.run_check(VOICES, UUID(voice_id))


@shared_task(name="media.derive", ignore_result=True, time_limit=worker.HARD_LIMIT_SECONDS)
def derive(media_id: str) -> None:
    """Make thumbnail, sprite strip and peaks, if they are still waited for."""
    worker.run_derivation(UUID(media_id))


@shared_task(name="media.import", ignore_result=True)
def fetch(media_id: str) -> None:
    """Fetch the file of an import, if that is still waited for, and others that are due meanwhile.

    It has no time limit of Celery's: each transfer has its own.
    """
    transfers.serve_imports(UUID(media_id))


@shared_task(
    name="consents.follow", ignore_result=True, time_limit=removal_worker.HARD_LIMIT_SECONDS
)
def follow(consent_id: str) -> None:
    """Remove what a revoked consent has covered, if that is still waited for."""
    removal_worker.run_removal(UUID(consent_id))


@worker_shutting_down.connect
def release(**signal: Any) -> None:
    """A worker told to stop (a deploy) lets others have its imports at once, and its walks."""
    transfers.stop_serving()
    states.release_leases(os.getpid())
    removal_worker.release_leases(os.getpid())


@dataclass(frozen=True)
class Work:
    """Rows that wait, and the task that works on one."""

    leases: Leases[Any]
    task: Task
    at_once: Callable[[], int | None] = lambda: None
    """How many holders there may be at once, if not as many as there are workers."""

    @property
    def queue(self) -> str:
        return str(self.task.name)


WORK = [
    Work(checking.CHECKS[FILES], check),
    Work(checking.CHECKS[VOICES], check_voice),
    Work(removal_worker.REVOCATIONS, follow),
    # Slow servers delay nobody else: a worker for media has processes for them beside its others,
    # each of which takes what is due by itself while it has something under way.
    Work(states.IMPORTS, fetch, lambda: settings.IMPORT_LIMIT),
    # Somebody waits for a check: derivatives leave a process free for them.
    Work(DERIVATIONS, derive, lambda: settings.DERIVE_LIMIT),
]
"""What somebody waits for comes first; then what the rooms above register."""


def register_work(work: Work) -> None:
    """Have a worker for media do this, too; twice counts once."""
    if all(known.queue != work.queue for known in WORK):
        WORK.append(work)
