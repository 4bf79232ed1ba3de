"""Renew the heartbeat of each worker child: a row that a thread renews while the process lives."""

import logging
import os
import threading
from collections.abc import Collection
from datetime import timedelta

from django.conf import settings
from django.db import Error, connection
from django.db.models.functions import Now

from auteur.core.work import liveness
from jobs import sql
from jobs.models import WorkerHeartbeat

logger = logging.getLogger(__name__)

LOST_AFTER = timedelta(seconds=settings.WORKER_LEASE_SECONDS)
FORGOTTEN_AFTER = timedelta(hours=1)


class _Heart:
    """A heartbeat in a thread of its own, on a connection of its own."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._renew_until_stopped, daemon=True)
        _renew_heartbeat(name)
        self._thread.start()

    def stop(self) -> None:
        """Stop the heartbeat and delete its row."""
        self._stop.set()
        self._thread.join()
        WorkerHeartbeat.objects.filter(name=self.name).delete()

    def _renew_until_stopped(self) -> None:
        while not self._stop.wait(settings.HEARTBEAT_SECONDS):
            try:
                _renew_heartbeat(self.name)
            except Error as exc:
                logger.warning("heartbeat not written: %s", type(exc).__name__)
                connection.close()
        connection.close()


_hearts: dict[int, _Heart] = {}
"""Hearts by process id, because a forked child is another worker."""


def current_worker() -> str:
    """Return this process's name; the first call starts the heartbeat."""
    pid = os.getpid()
    if pid not in _hearts:
        _hearts[pid] = _Heart(liveness.get_process_name())
    return _hearts[pid].name


def stop_heartbeat() -> None:
    """End this process's heartbeat, if it has one."""
    heart = _hearts.pop(os.getpid(), None)
    if heart is not None:
        heart.stop()


def list_living(names: Collection[str]) -> set[str]:
    """Return the workers that live, without those that retired, died or were silent too long."""
    rows = WorkerHeartbeat.objects.filter(name__in=names)
    if liveness.can_expire_leases():
        rows = rows.filter(beat_at__gt=Now() - LOST_AFTER)
    return {
        name for name in rows.values_list("name", flat=True) if not liveness.is_process_dead(name)
    }


def count_living() -> int:
    """Return how many workers have renewed their heartbeat lately."""
    return WorkerHeartbeat.objects.filter(beat_at__gt=Now() - LOST_AFTER).count()


def delete_dead_workers() -> list[str]:
    """Delete the rows of processes that died on this machine, and return their names."""
    rows = WorkerHeartbeat.objects.filter(name__startswith=liveness.build_process_name(""))
    dead = [name for name in rows.values_list("name", flat=True) if liveness.is_process_dead(name)]
    if dead:
        WorkerHeartbeat.objects.filter(name__in=dead).delete()
    return dead


def delete_stale_workers() -> int:
    """Delete the rows of workers that have been silent for long; return how many.

    After an outage nothing is deleted, because living workers have not had time to write again.
    """
    if not liveness.can_expire_leases():
        return 0
    return WorkerHeartbeat.objects.filter(beat_at__lt=Now() - FORGOTTEN_AFTER).delete()[0]


def _renew_heartbeat(name: str) -> None:
    sql.run("beat", worker=name)
