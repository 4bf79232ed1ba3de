"""Run many transfers in one worker process, because each mostly waits for a server."""

import logging
import mmap
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final
from uuid import UUID

from django.db import connections
from django.db.models import Exists, OuterRef
from django.db.models.functions import Now

from auteur.core.api.problems import DATABASE_OUTAGES
from media.imports import limits, worker
from media.imports.states import IMPORTS
from media.imports.worker import Slot
from media.models import MediaImport

logger = logging.getLogger(__name__)

POLL_SECONDS = 1.0
"""The interval between two queries for due imports."""
_STOPPING: Final = mmap.mmap(-1, 1)
"""A flag shared by a worker and its child processes. It has no lock: a signal handler sets it."""


def stop_serving() -> None:
    """Stop the processes of this worker from taking further imports."""
    _STOPPING[0] = 1


def serve_imports(media_id: UUID) -> None:
    """Fetch this file, and others that become due meanwhile, until no transfer is running."""
    Transfers().serve(media_id)


class Transfers:
    """The running imports of this process, each in a thread."""

    def __init__(
        self, size: int = limits.TRANSFERS, run: Callable[[UUID, Slot], None] = worker.run_import
    ) -> None:
        self._size, self._run = size, run
        self._slots: dict[Future[None], Slot] = {}

    def serve(self, first: UUID) -> None:
        """Fetch the first and due imports, and displace some for waiting users, until all end."""
        until = time.monotonic() + limits.SERVE_SECONDS
        with ThreadPoolExecutor(self._size, thread_name_prefix="import") as pool:
            self._start_transfer(pool, first)
            while self._slots:
                time.sleep(POLL_SECONDS)
                self._slots = {
                    future: slot for future, slot in self._slots.items() if not future.done()
                }
                if _STOPPING[0] or time.monotonic() > until:
                    continue
                try:
                    for media_id in IMPORTS.select_due(self._size - len(self._slots)):
                        self._start_transfer(pool, media_id)
                    if len(self._slots) == self._size:
                        self._displace_transfers(count_waiting_users())
                except DATABASE_OUTAGES as exc:
                    logger.warning("no further imports are started: %s", type(exc).__name__)
                    connections.close_all()  # A broken connection does not recover.

    def _start_transfer(self, pool: ThreadPoolExecutor, media_id: UUID) -> None:
        slot = Slot()
        self._slots[pool.submit(self._fetch, media_id, slot)] = slot

    def _fetch(self, media_id: UUID, slot: Slot) -> None:
        try:
            self._run(media_id, slot)
        except Exception:
            # The lease of the import expires, which counts as a try.
            logger.exception("import %s failed", media_id)
        finally:
            connections.close_all()

    def _displace_transfers(self, waiting: int) -> None:
        """End one transfer for each waiting user, counting those that end already."""
        waiting -= sum(slot.is_displaced for slot in self._slots.values())
        while waiting > 0 and (slot := choose_slot_to_end(list(self._slots.values()))):
            slot.is_displaced = True
            waiting -= 1


def choose_slot_to_end(slots: list[Slot]) -> Slot | None:
    """Return a transfer of the user with the most, or else the slowest; None if all are fast."""
    slots = [slot for slot in slots if slot.user_id is not None and not slot.is_displaced]
    counts = Counter(slot.user_id for slot in slots)
    shared = [slot for slot in slots if counts[slot.user_id] > 1]
    if shared:
        return min(shared, key=lambda slot: (-counts[slot.user_id], slot.pace))
    slow_slots = [
        slot
        for slot in slots
        if slot.seconds > limits.SHARED_PACE_SECONDS and slot.pace < limits.SHARED_PACE_BYTES
    ]
    return min(slow_slots, key=lambda slot: slot.pace, default=None)


def count_waiting_users() -> int:
    """Count the users without a transfer who have an import overdue by ``MAX_WAIT``."""
    transfers_of_user = IMPORTS.list_claimed_rows(user_id=OuterRef("user_id"))
    overdue = MediaImport.objects.filter(
        ~Exists(transfers_of_user), due_at__lte=Now() - limits.MAX_WAIT, **IMPORTS.waiting
    )
    return overdue.values("user_id").distinct().count()
