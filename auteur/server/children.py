"""Child processes that do the same work, forked from a parent that only supervises them.

They are forked after everything is loaded, so they share the memory that they only read, and a
child that has died is replaced within a second.
"""

import logging
import multiprocessing
import signal
import socket
import time
from collections.abc import Callable, Iterable, Sequence
from multiprocessing.process import BaseProcess

from gpu_tasks.runtime.children import die_with_parent

logger = logging.getLogger(__name__)

RESTART_SECONDS = 1.0
"""The shortest time between two starts of a child."""
STOP_SECONDS = 9.0
"""The time after which children are killed that have not ended. Our supervisor waits 10 s."""
TICK_SECONDS = 1.0
WATCHED = {signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGALRM}
_FORK = multiprocessing.get_context("fork")


def run_children(
    count: int, work: Callable[[int], None], sockets: Iterable[socket.socket] = ()
) -> None:
    """Run ``work`` in ``count`` children, each with its number, until a signal stops this process.

    A child that ends is started again. Call this before any thread is started. ``sockets`` belong
    to the children; this process keeps them open for later children, and closes them at the end.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)
    signal.setitimer(signal.ITIMER_REAL, TICK_SECONDS, TICK_SECONDS)
    children = [_Child(number, work) for number in range(count)]
    while signal.sigwait(WATCHED) in {signal.SIGCHLD, signal.SIGALRM}:
        for child in children:
            child.restart_if_dead()
    for listener in sockets:
        listener.close()
    _stop_processes([child.process for child in children])


class _Child:
    """The current process with a number, and its replacement when it has ended."""

    def __init__(self, number: int, work: Callable[[int], None]) -> None:
        self._number = number
        self._work = work
        self._start()

    def _start(self) -> None:
        self._started_at = time.monotonic()
        die_with_us = die_with_parent(signal.SIGTERM)
        process = _FORK.Process(target=_run_child, args=(die_with_us, self._work, self._number))
        process.start()
        self.process, self._is_reported = process, False

    def restart_if_dead(self) -> None:
        """Start a new process if this one has ended, at most once in ``RESTART_SECONDS``."""
        if self.process.is_alive():
            return
        if not self._is_reported:
            self._is_reported = True
            # This is no error, because reporting one would start a thread in this process.
            logger.warning("process %d ended (%s)", self.process.pid, self.process.exitcode)
        if time.monotonic() - self._started_at >= RESTART_SECONDS:
            try:
                self._start()
            except OSError as exc:  # There is not enough memory, or too many processes run.
                logger.warning("no process can be started: %s", exc)


def _run_child(
    die_with_us: Callable[[], None] | None, work: Callable[[int], None], number: int
) -> None:
    if die_with_us is not None:
        die_with_us()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, WATCHED)
    work(number)


def _stop_processes(processes: Sequence[BaseProcess]) -> None:
    """Terminate all processes; kill those that have not ended after ``STOP_SECONDS``."""
    deadline = time.monotonic() + STOP_SECONDS
    for process in processes:
        process.terminate()
    for process in processes:
        process.join(max(0.0, deadline - time.monotonic()))
    for process in processes:
        if process.is_alive():
            logger.warning("process %d does not end and is killed", process.pid)
            process.kill()
            process.join()
