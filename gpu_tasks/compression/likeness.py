"""How alike a result looks to its source."""

import re
from pathlib import Path

from gpu_tasks.compression.encoding import Progress, picture_filters
from gpu_tasks.compression.plans import PicturePlan
from gpu_tasks.compression.source import MediaInfo
from gpu_tasks.mediakit import ffmpeg
from gpu_tasks.runtime.errors import EngineError, ErrorCode

MEASURED_SECONDS = 120.0
_ALL = re.compile(r"SSIM .*All:([0-9.]+)")


def ssim(source: MediaInfo, plan: PicturePlan, result: Path, progress: Progress) -> float:
    """Structural similarity, 0 to 1, at the source's size; of the middle of a long film.

    Wang et al. 2004, https://doi.org/10.1109/TIP.2003.819861, as FFmpeg has it.
    """
    start = max(0.0, (source.seconds - MEASURED_SECONDS) / 2)
    measured = _measure(source, plan, result, start, progress)
    if measured is None and start:
        # Bare pictures know no times to begin at.
        measured = _measure(source, plan, result, 0.0, progress)
    if measured is None:
        raise EngineError(ErrorCode.MODEL_ERROR)
    return measured


def _measure(
    source: MediaInfo, plan: PicturePlan, result: Path, start: float, progress: Progress
) -> float | None:
    seek = ["-ss", f"{start:.3f}"] if start else []
    inputs = [*seek, *ffmpeg.source(result), *seek, *ffmpeg.source(source.path)]
    said = ffmpeg.run(
        [
            "-loglevel",
            "info",
            *inputs,
            "-lavfi",
            _graph(source, plan),
            "-t",
            f"{MEASURED_SECONDS:.0f}",
            "-an",
            "-f",
            "null",
            "-",
        ],
        seconds=min(source.seconds, MEASURED_SECONDS),
        progress=progress,
    )
    found = _ALL.search(said)
    return min(1.0, float(found[1])) if found else None


def _graph(source: MediaInfo, plan: PicturePlan) -> str:
    """Both through the plan's filters, but at the source's size."""
    shown = source.pictures
    assert shown is not None  # noqa: S101 - pictures have been compressed
    whole = f"scale={shown.width}:{shown.height}:flags=bicubic"
    *before, form = (one for one in picture_filters(source, plan) if not one.startswith("scale="))
    original = ",".join([*before, whole, form])
    return (
        f"[0:V:0]{whole},{form}[result];[1:V:0]{original}[source];"
        "[result][source]ssim=eof_action=endall"
    )
