"""What the supervisor needs to know of a process: its command, its order, its signs of life."""

import ctypes
import os
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

PR_SET_PDEATHSIG = 1  # linux/prctl.h


@dataclass(frozen=True)
class Process:
    """One process of the stack.

    It starts when all that it ``needs`` is ready, and is stopped before what it needs or ``uses``.
    It is ready when its ``ready`` check passes or its log holds ``announcement``; without either,
    once it has lived for a moment; one that runs ``once``, when it has ended well.
    ``environment``, ``uid`` and ``gid`` are ours where they are None.
    """

    name: str
    command: tuple[str, ...]
    needs: tuple[str, ...] = ()
    uses: tuple[str, ...] = ()
    ready: Callable[[], bool] | None = None
    announcement: str = ""
    once: bool = False
    stop_signal: signal.Signals = signal.SIGTERM
    environment: Mapping[str, str] | None = None
    directory: Path | None = None
    uid: int | None = None
    gid: int | None = None


def dying_with_parent(stop_signal: signal.Signals) -> Callable[[], None] | None:
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
