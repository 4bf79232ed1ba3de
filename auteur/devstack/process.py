"""A process of the supervisor: its command, its dependencies, and its sign of readiness."""

import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Process:
    """One process of the stack.

    It starts when all processes that it ``needs`` are ready, and is stopped before those that it
    needs or ``uses``. It is ready when its ``ready`` check passes or its log contains
    ``announcement``; without either, once it has lived for a moment. A process that runs ``once``
    is ready when it has ended successfully. ``environment``, ``uid`` and ``gid`` are ours where
    they are None.
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
