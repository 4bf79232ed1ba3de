"""Processes that share one work: forked from a parent that does nothing but look after them.

They are forked once everything is loaded, so what they only read is there once in memory, and one
that died is replaced within a moment.
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
"""From one start of a child to the next: one that cannot live is started once in such a time."""
STOP_SECONDS = 9.0
"""For all to end when told; then they are killed. Less than who tells us waits for us (10 s)."""
TICK_SECONDS = 1.0
WATCHED = {signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGALRM}
_FORK = multiprocessing.get_context("fork")


def run(count: int, work: Callable[[int], None], sockets: Iterable[socket.socket] = ()) -> None:
    """Have ``count`` children do ``work``, each with its number, until we are told to stop.

    One that ends is started again. To be called before there are threads. ``sockets`` are the
    children's, kept here for those that are started later.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)
    signal.setitimer(signal.ITIMER_REAL, TICK_SECONDS, TICK_SECONDS)
    children = [_Child(number, work) for number in range(count)]
    while signal.sigwait(WATCHED) in {signal.SIGCHLD, signal.SIGALRM}:
        for child in children:
            child.look()
    for each in sockets:
        each.close()
    _stop([child.process for child in children])


class _Child:
    """The process that has a number, one after another."""

    def __init__(self, number: int, work: Callable[[int], None]) -> None:
        self._number = number
        self._work = work
        self._start()

    def _start(self) -> None:
        self._started = time.monotonic()
        die_with_us = die_with_parent(signal.SIGTERM)
        process = _FORK.Process(target=_begin, args=(die_with_us, self._work, self._number))
        process.start()
        self.process, self._is_told = process, False

    def look(self) -> None:
        """Start another if it is gone, but not too soon."""
        if self.process.is_alive():
            return
        if not self._is_told:
            self._is_told = True
            # No error: to report one would start a thread here.
            logger.warning("process %d ended (%s)", self.process.pid, self.process.exitcode)
        if time.monotonic() - self._started >= RESTART_SECONDS:
            try:
                self._start()
            except OSError as exc:  # no memory, or too many processes: by and by there is room
                logger.warning("no process is started: %s", exc)


def _begin(
    die_with_us: Callable[[], None] | None, work: Callable[[int], None], number: int
) -> None:
    if die_with_us is not None:
        die_with_us()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, WATCHED)
    work(number)


def _stop(processes: Sequence[BaseProcess]) -> None:
    """Tell all, and wait; kill those that do not end."""
    until = time.monotonic() + STOP_SECONDS
    for process in processes:
        process.terminate()
    for process in processes:
        process.join(max(0.0, until - time.monotonic()))
    for process in processes:
        if process.is_alive():
            logger.warning("process %d does not end and is killed", process.pid)
            process.kill()
            process.join()
