"""Read files of other editors in a sandboxed child process (docs/decisions/0010).

OpenTimelineIO trusts its input, and keeps some of it in memory for good.
"""

import logging

from auteur.core.api.problems import Problem, UnavailableProblem
from gpu_tasks.runtime import sandbox
from gpu_tasks.runtime.confinement import MIB, Limits
from gpu_tasks.runtime.errors import InputRefusedError
from gpu_tasks.runtime.memory_budget import Reservation
from projects.interchange.limits import CannotHoldProblem
from projects.interchange.terms import ForeignTrack, parse_tracks

logger = logging.getLogger(__name__)

LIMITS = Limits(
    memory_bytes=100 * MIB,
    cpu_seconds=4,
    wall_seconds=20.0,
    file_bytes=0,
    answer_bytes=8 * MIB,
)
"""2,000 clips of OpenTimelineIO, the slowest format, take 0.3 s and 50 MB; a start takes 0.1 s."""


class UnreadableFileProblem(Problem):
    """Raised if a file is not in the given format, or is malicious."""

    default_code = "unreadable_file"
    default_detail = (
        "The file cannot be read in the given format. Check the format, or export the file again."
    )


def read(
    text: str, form: str, frame_rate: float, memory: Reservation | None = None
) -> list[ForeignTrack]:
    """Return the tracks in a file.

    Raises ``UnreadableFileProblem``, ``CannotHoldProblem``, ``UnavailableProblem``.
    """
    arguments = {"text": text, "form": form, "frame_rate": frame_rate}
    try:
        answer = sandbox.run(
            "projects.interchange.foreign:read", arguments, limits=LIMITS, memory=memory
        )
    except InputRefusedError as exc:
        raise UnreadableFileProblem(exc.detail) from exc
    except sandbox.SandboxExceededError as exc:
        raise UnreadableFileProblem(
            f"Reading the file exceeds a limit ({exc.limit}). Export a shorter timeline."
        ) from exc
    except sandbox.SandboxFailedError as exc:
        logger.exception("a file of another editor was not read")
        raise UnavailableProblem from exc
    return get_tracks(answer)


def get_tracks(answer: dict[str, list[dict[str, object]]]) -> list[ForeignTrack]:
    """Return the tracks in a child's answer; raise ``CannotHoldProblem`` for foreign items."""
    if items := answer.get("foreign"):
        detail = (
            "Our timeline cannot represent everything in the file. `items` lists what it cannot."
        )
        raise CannotHoldProblem(detail, items=items)
    return parse_tracks(answer["tracks"])
