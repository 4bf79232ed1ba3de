"""Read untrusted files in a sandboxed process, which returns their properties or a refusal."""

from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from auteur.core.api.problems import UnavailableProblem
from gpu_tasks.runtime import memory_budget, sandbox
from gpu_tasks.runtime.confinement import Limits
from gpu_tasks.runtime.errors import InputRefusedError
from gpu_tasks.runtime.memory_budget import MemoryBusyError, Reservation
from gpu_tasks.runtime.sandbox import SandboxExceededError
from gpu_tasks.runtime.sources import SourceLostError, open_source
from media.limits import PROBING
from media.models import MediaType
from media.probes import Probe


class TooComplexError(InputRefusedError):
    """Raised if reading the file exceeded a limit of the sandbox."""

    code = "media_too_complex"
    detail = (
        "Reading the file takes too much memory or time. Save it in another format and upload it "
        "again."
    )


def inspect_with(
    function: str,
    path_or_url: str,
    *,
    limits: Limits,
    tick: Callable[[], None] = lambda: None,
    progress: Callable[[Any], None] | None = None,
    reply: Callable[[Any], bytes] | None = None,
    folder: Path | None = None,
    memory: Reservation | None = None,
    **arguments: Any,
) -> Any:
    """Run a function in the sandbox on the file at a path or URL, and return its result.

    ``tick`` can end it by raising. The other arguments are those of ``sandbox.run``.

    Raises ``InputRefusedError``, including ``TooComplexError``; ``UnavailableProblem`` if the
    storage did not answer or the memory is in use, which says nothing about the file (with
    ``memory``, ``MemoryBusyError`` instead); ``SandboxFailedError``.
    """
    is_reserved = memory is not None
    try:
        with ExitStack() as stack:
            # Reserve the memory first: a source that is opened before may time out meanwhile.
            if memory is None:
                memory = stack.enter_context(memory_budget.reserve_memory(limits, tick))
            source = stack.enter_context(closing(open_source(path_or_url)))
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


def inspect(path_or_url: str, tick: Callable[[], None] = lambda: None) -> Probe:
    """Return the media type and properties of a file; raises what ``inspect_with`` raises."""
    facts = Probe(
        **inspect_with("media.probing:probe_as_json", path_or_url, limits=PROBING, tick=tick)
    )
    if facts.type not in MediaType.values:
        raise TooComplexError  # The file has taken over the child process.
    return facts
