"""Write the film of a call, whichever engine makes its frames."""

from collections.abc import Iterable
from fractions import Fraction
from itertools import islice

from gpu_tasks.mediakit.film import FilmWriter, Frame
from gpu_tasks.runtime.engine import Workspace
from gpu_tasks.video_generation.contract import (
    FRAME_RATE,
    VideoGenerationPayload,
    VideoGenerationResult,
)


def count_frames(payload: VideoGenerationPayload) -> int:
    """Return how many frames the film has."""
    return payload.duration_sec * FRAME_RATE


def write(
    payload: VideoGenerationPayload,
    workspace: Workspace,
    frames: Iterable[Frame],
    *,
    share_before: float,
    understood: list[str],
) -> VideoGenerationResult:
    """Write as many frames as the film has.

    ``share_before`` is the share of the work done before.
    """
    size = payload.resolution
    count = count_frames(payload)
    with FilmWriter(
        workspace.output("result"),
        width=size.width,
        height=size.height,
        frame_rate=Fraction(FRAME_RATE),
    ) as film:
        film.write_all(islice(frames, count), count, workspace.progress_within(share_before, 1.0))
    return VideoGenerationResult(
        duration_ms=payload.duration_sec * 1000,
        width=size.width,
        height=size.height,
        frame_rate=FRAME_RATE,
        seed=payload.seed,
        understood=understood,
    )
