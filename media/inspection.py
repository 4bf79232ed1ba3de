"""Untrusted files are read in a sandboxed process, which returns facts about them or a refusal."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from auteur.api.problems import UnavailableProblem
from gpu_tasks.runtime import sandbox
from gpu_tasks.runtime.confinement import Limits
from gpu_tasks.runtime.errors import InputRefusedError
from gpu_tasks.runtime.sandbox import SandboxExceededError
from gpu_tasks.runtime.sources import SourceLostError, source_of
from media.limits import PROBING
from media.models import MediaType
from media.probing import Probe


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
    **arguments: Any,
) -> Any:
    """What a function of ours finds in the file at a path or URL; ``tick`` may end it by raising.

    The others are those of ``sandbox.run``.

    Raises ``InputRefusedError``, of which ``TooComplexError`` is one; ``UnavailableProblem`` where
    the storage did not answer, which says nothing about the file; ``SandboxFailedError``.
    """
    try:
        with closing(source_of(place)) as source:
            return sandbox.run(
                function,
                arguments,
                limits=limits,
                source=source,
                tick=tick,
                progress=progress,
                reply=reply,
                folder=folder,
            )
    except SourceLostError as exc:
        raise UnavailableProblem from exc
    except SandboxExceededError as exc:
        raise TooComplexError from exc


def inspect(place: str, tick: Callable[[], None] = lambda: None) -> Probe:
    """What kind of media a file is, with its facts; raises as ``inspect_with`` does."""
    found = Probe(**inspect_with("media.probing:probed", place, limits=PROBING, tick=tick))
    if found.type not in MediaType.values:
        raise TooComplexError  # something took the child over
    return found
