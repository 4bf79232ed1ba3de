"""A sign of life of each worker child: a row renewed by a thread while the process lives."""

import logging
import os
import socket
import threading
import uuid
from collections.abc import Collection
from datetime import timedelta

from django.db import DatabaseError, connection
from django.db.models.functions import Now

from jobs.models import WorkerHeartbeat

logger = logging.getLogger(__name__)

BEAT_SECONDS = 2.0
LOST_AFTER = timedelta(seconds=8)
FORGOTTEN_AFTER = timedelta(hours=1)

_beating: dict[int, str] = {}


def current_worker() -> str:
    """This process's name; its first use starts the heartbeat."""
    pid = os.getpid()  # a forked child is another worker
    if pid not in _beating:
        name = f"{socket.gethostname()}:{pid}:{uuid.uuid4().hex[:8]}"
        _beat(name)
        threading.Thread(target=_beat_for_ever, args=(name,), daemon=True).start()
        _beating[pid] = name
    return _beating[pid]


def living(names: Collection[str]) -> set[str]:
    """Those of the workers that were seen within ``LOST_AFTER``."""
    rows = WorkerHeartbeat.objects.filter(name__in=names, beat_at__gt=Now() - LOST_AFTER)
    return set(rows.values_list("name", flat=True))


def forget_old() -> int:
    """Drop the rows of workers that are long gone; returns how many."""
    return WorkerHeartbeat.objects.filter(beat_at__lt=Now() - FORGOTTEN_AFTER).delete()[0]


def _beat(name: str) -> None:
    WorkerHeartbeat.objects.update_or_create(name=name, defaults={"beat_at": Now()})


def _beat_for_ever(name: str) -> None:
    pause = threading.Event()
    while not pause.wait(BEAT_SECONDS):
        try:
            _beat(name)
        except DatabaseError as exc:
            logger.warning("heartbeat not written: %s", type(exc).__name__)
            connection.close()
