"""Child processes that do not outlive the process that started them."""

import ctypes
import os
import signal
import sys
from collections.abc import Callable

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def die_with_parent(stop_signal: signal.Signals) -> Callable[[], None] | None:
    """Return a ``preexec_fn`` that makes the kernel send ``stop_signal`` when the parent dies.

    It works on Linux only, and is None elsewhere. The thread that starts the process counts as the
    parent, so it must live as long as the process (prctl(2)).
    """
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None)
    parent = os.getpid()

    def set_death_signal() -> None:
        libc.prctl(PR_SET_PDEATHSIG, int(stop_signal))
        if os.getppid() != parent:  # the parent died before prctl
            os._exit(1)

    return set_death_signal
