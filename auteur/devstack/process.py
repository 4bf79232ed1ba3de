"""A process under the supervisor: its command, what it needs, how it shows that it is ready."""

import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path


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
