"""Processes that do not outlive the one that started them."""

import ctypes
import os
import signal
import sys
from collections.abc import Callable

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def die_with_parent(stop_signal: signal.Signals) -> Callable[[], None] | None:
    """For ``preexec_fn``: have the kernel send ``stop_signal`` when the parent dies (Linux only).

    The parent must be the thread that starts the process, and live as long (prctl(2)).
    """
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None)
    parent = os.getpid()

    def ask_kernel() -> None:
        libc.prctl(PR_SET_PDEATHSIG, int(stop_signal))
        if os.getppid() != parent:  # it died before we asked
            os._exit(1)

    return ask_kernel
