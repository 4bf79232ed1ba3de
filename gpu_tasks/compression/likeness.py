"""Measure how similar a result looks to its source."""

import re
from pathlib import Path

from gpu_tasks.compression.encoding import Progress, build_picture_filters
from gpu_tasks.compression.plans import PicturePlan
from gpu_tasks.compression.source import MediaInfo
from gpu_tasks.mediakit import ffmpeg
from gpu_tasks.runtime.errors import EngineError, ErrorCode

MEASUREMENT_SECONDS = 120.0
_ALL = re.compile(r"SSIM .*All:([0-9.]+)")


def measure_likeness(
    source: MediaInfo, plan: PicturePlan, result: Path, progress: Progress
) -> float:
    """Return the structural similarity, 0 to 1, at the source's size; of the middle of a long film.

    Wang et al. 2004, https://doi.org/10.1109/TIP.2003.819861, as implemented by FFmpeg.
    """
    start = max(0.0, (source.seconds - MEASUREMENT_SECONDS) / 2)
    similarity = _measure_ssim(source, plan, result, start, progress)
    if similarity is None and start:
        # Raw video streams have no time stamps, so FFmpeg cannot seek in them.
        similarity = _measure_ssim(source, plan, result, 0.0, progress)
    if similarity is None:
        raise EngineError(ErrorCode.MODEL_ERROR)
    return similarity


def _measure_ssim(
    source: MediaInfo, plan: PicturePlan, result: Path, start: float, progress: Progress
) -> float | None:
    seek = ["-ss", f"{start:.3f}"] if start else []
    inputs = [*seek, *ffmpeg.source(result), *seek, *ffmpeg.source(source.path)]
    report = ffmpeg.run(
        [
            "-loglevel",
            "info",
            *inputs,
            "-lavfi",
            _build_graph(source, plan),
            "-t",
            f"{MEASUREMENT_SECONDS:.0f}",
            "-an",
            "-f",
            "null",
            "-",
        ],
        seconds=min(source.seconds, MEASUREMENT_SECONDS),
        progress=progress,
    )
    match = _ALL.search(report)
    return min(1.0, float(match[1])) if match else None


def _build_graph(source: MediaInfo, plan: PicturePlan) -> str:
    """Return a graph that brings both through the plan's filters, but at the source's size."""
    pictures = source.pictures
    assert pictures is not None  # noqa: S101 - pictures have been compressed
    source_scale = f"scale={pictures.width}:{pictures.height}:flags=bicubic"
    *filters, pixel_format = (
        filter_text
        for filter_text in build_picture_filters(source, plan)
        if not filter_text.startswith("scale=")
    )
    original = ",".join([*filters, source_scale, pixel_format])
    return (
        f"[0:V:0]{source_scale},{pixel_format}[result];[1:V:0]{original}[source];"
        "[result][source]ssim=eof_action=endall"
    )
