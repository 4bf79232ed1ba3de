"""Untrusted files are read in a sandboxed process, which returns facts about them or a refusal."""

from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from auteur.api.problems import UnavailableProblem
from gpu_tasks.runtime import memory_budget, sandbox
from gpu_tasks.runtime.confinement import Limits
from gpu_tasks.runtime.errors import InputRefusedError
from gpu_tasks.runtime.memory_budget import MemoryBusyError, Reservation
from gpu_tasks.runtime.sandbox import SandboxExceededError
from gpu_tasks.runtime.sources import SourceLostError, source_of
from media.limits import PROBING
from media.models import MediaType
from media.probes import Probe


class TooComplexError(InputRefusedError):
    """It took more than a limit."""

    code = "media_too_complex"
    detail = "Reading the file takes more than it should: save it in another format."


def inspect_with(
    function: str,
    place: str,
    *,
    limits: Limits,
    tick: Callable[[], None] = lambda: None,
    progress: Callable[[Any], None] | None = None,
    reply: Callable[[Any], bytes] | None = None,
    folder: Path | None = None,
    memory: Reservation | None = None,
    **arguments: Any,
) -> Any:
    """Return what a function finds in the file at a path or URL; ``tick`` may end it by raising.

    The other arguments are those of ``sandbox.run``.

    Raises ``InputRefusedError``, of which ``TooComplexError`` is one; ``UnavailableProblem`` where
    the storage did not answer or others have the memory, which says nothing about the file (but
    ``MemoryBusyError`` to who has reserved some); ``SandboxFailedError``.
    """
    is_reserved = memory is not None
    try:
        with ExitStack() as stack:
            # A source that is opened before its memory is free may time out.
            if memory is None:
                memory = stack.enter_context(memory_budget.reserved(limits, tick))
            source = stack.enter_context(closing(source_of(place)))
            return sandbox.run(
                function,
                arguments,
                limits=limits,
                source=source,
                tick=tick,
                progress=progress,
                reply=reply,
                folder=folder,
                memory=memory,
            )
    except SourceLostError as exc:
        raise UnavailableProblem from exc
    except MemoryBusyError as exc:
        if is_reserved:
            raise
        raise UnavailableProblem from exc
    except SandboxExceededError as exc:
        raise TooComplexError from exc


def inspect(place: str, tick: Callable[[], None] = lambda: None) -> Probe:
    """What kind of media a file is, with its facts; raises as ``inspect_with`` does."""
    found = Probe(**inspect_with("media.probing:probe_as_json", place, limits=PROBING, tick=tick))
    if found.type not in MediaType.values:
        raise TooComplexError  # something took the child over
    return found
