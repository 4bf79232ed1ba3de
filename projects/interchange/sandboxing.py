"""Files of other editors are read in a process of their own (docs/decisions/0010).

OpenTimelineIO trusts what it reads, and keeps some of it for good.
"""

import logging

from auteur.api.problems import Problem, Unavailable
from gpu_tasks.runtime import sandbox
from gpu_tasks.runtime.confinement import MIB, Limits
from gpu_tasks.runtime.errors import Refusal
from projects.interchange.limits import CannotHold
from projects.interchange.terms import ForeignTrack, tracks_from

logger = logging.getLogger(__name__)

LIMITS = Limits(
    memory_bytes=100 * MIB,
    cpu_seconds=4,
    wall_seconds=20.0,
    file_bytes=0,
    answer_bytes=8 * MIB,
)
"""2,000 clips from OpenTimelineIO, the slowest, take 0.3 s and 50 MB; to start a child 0.1 s."""


class UnreadableFile(Problem):
    """The file is not of its format, or is made to do harm."""

    default_code = "unreadable_file"
    default_detail = "The file cannot be read as what it is said to be."


def read(text: str, form: str, frame_rate: float) -> list[ForeignTrack]:
    """The tracks in a file; raises ``UnreadableFile``, ``CannotHold``, ``Unavailable``."""
    arguments = {"text": text, "form": form, "frame_rate": frame_rate}
    try:
        found = sandbox.run("projects.interchange.foreign:read", arguments, limits=LIMITS)
    except Refusal as exc:
        raise UnreadableFile(exc.detail) from exc
    except sandbox.SandboxExceeded as exc:
        raise UnreadableFile(f"Reading the file takes too much: {exc.limit}.") from exc
    except sandbox.SandboxFailed as exc:
        logger.exception("a file of another editor was not read")
        raise Unavailable from exc
    return accepted(found)


def accepted(found: dict[str, list[dict[str, object]]]) -> list[ForeignTrack]:
    """The tracks that a child has answered; raises ``CannotHold`` where it could not."""
    if items := found.get("foreign"):
        detail = "Our timeline cannot hold all that is in the file: `items` names what."
        raise CannotHold(detail, items=items)
    return tracks_from(found["tracks"])
