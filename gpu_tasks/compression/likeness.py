"""How alike a result looks to its source."""

import re
from pathlib import Path

from gpu_tasks import ffmpeg
from gpu_tasks.compression.encoding import Progress, picture_filters
from gpu_tasks.compression.plans import PicturePlan
from gpu_tasks.compression.source import Source
from gpu_tasks.errors import EngineError, ErrorCode

MEASURED_SECONDS = 120.0
_ALL = re.compile(r"SSIM .*All:([0-9.]+)")


def ssim(source: Source, plan: PicturePlan, result: Path, progress: Progress) -> float:
    """Structural similarity, 0 to 1, at the source's size; of the middle of a long film.

    Wang et al. 2004, https://doi.org/10.1109/TIP.2003.819861, as FFmpeg has it.
    """
    shown = source.pictures
    assert shown is not None  # noqa: S101 - pictures have been compressed
    seek = ["-ss", f"{max(0.0, (source.seconds - MEASURED_SECONDS) / 2):.3f}"]
    whole = f"scale={shown.width}:{shown.height}:flags=bicubic"
    # The source goes through the plan's filters but for its size.
    original = [one for one in picture_filters(source, plan) if not one.startswith("scale=")]
    graph = (
        f"[0:V:0]{whole}[result];[1:V:0]{','.join(original[:-1])},{whole},{original[-1]}[source];"
        "[result][source]ssim=eof_action=endall"
    )
    said = ffmpeg.run(
        [
            "-loglevel", "info", *seek, *ffmpeg.source(result), *seek, *ffmpeg.source(source.path),
            "-lavfi", graph, "-t", f"{MEASURED_SECONDS:.0f}", "-an", "-f", "null", "-",
        ],
        seconds=min(source.seconds, MEASURED_SECONDS),
        progress=progress,
    )  # fmt: skip
    measured = _ALL.search(said)
    if measured is None:
        raise EngineError(ErrorCode.MODEL_ERROR)
    return min(1.0, float(measured[1]))
