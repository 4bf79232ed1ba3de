"""Untrusted files are looked at in a process of its own; back come facts, or a refusal."""

from collections.abc import Callable
from contextlib import closing
from typing import Any

from auteur.api.problems import Unavailable
from gpu_tasks.runtime import sandbox
from gpu_tasks.runtime.confinement import Limits
from gpu_tasks.runtime.errors import Refusal
from gpu_tasks.runtime.sandbox import SandboxExceeded
from gpu_tasks.runtime.sources import SourceLost, source_of
from media.limits import PROBING
from media.models import MediaType
from media.probing import Probe


class TooComplex(Refusal):
    """It took more than a limit."""

    code = "media_too_complex"
    detail = "Reading the file takes more than it should: save it in another format."


def look(
    function: str,
    place: str,
    *,
    limits: Limits,
    tick: Callable[[], None] = lambda: None,
    progress: Callable[[Any], None] | None = None,
    **arguments: Any,
) -> Any:
    """What a function of ours finds in the file at a path or URL; ``tick`` may end it by raising.

    Raises ``Refusal``, of which ``TooComplex`` is one; ``Unavailable`` where the storage did not
    answer, which says nothing about the file; ``SandboxFailed``.
    """
    try:
        with closing(source_of(place)) as source:
            return sandbox.run(
                function, arguments, limits=limits, source=source, tick=tick, progress=progress
            )
    except SourceLost as exc:
        raise Unavailable from exc
    except SandboxExceeded as exc:
        raise TooComplex from exc


def inspect(place: str, tick: Callable[[], None] = lambda: None) -> Probe:
    """What kind of media a file is, with its facts; raises as ``look`` does."""
    found = Probe(**look("media.probing:probed", place, limits=PROBING, tick=tick))
    if found.type not in MediaType.values:
        raise TooComplex  # something took the child over
    return found
