"""How FFmpeg makes of a source what a plan says."""

from collections.abc import Callable
from pathlib import Path

from gpu_tasks.compression.encoders import Encoder, software_passes
from gpu_tasks.compression.plans import CompressionPlan, PicturePlan
from gpu_tasks.compression.source import MediaInfo
from gpu_tasks.mediakit import ffmpeg
from gpu_tasks.mediakit.film import ON_BLACK, TO_SDR, deinterlaced

Progress = Callable[[float], None]
PICTURES = ("-map", "0:V:0")
"""The first that are no cover."""
NOTHING_ELSE = ("-sn", "-dn")
PRIVATE = (
    "-map_metadata",
    "-1",
    "-map_metadata:s:v",
    "-1",
    "-map_metadata:s:a",
    "-1",
    "-map_chapters",
    "-1",
)
MP4 = (
    "-max_muxing_queue_size",
    "4096",
    "-movflags",
    "+faststart",
    "-chunk_duration",
    "1000000",
    "-f",
    "mp4",
)
"""Playable before it is loaded; the index counts seconds, not frames, which makes it smaller."""
APPLE_HEVC = ("-tag:v", "hvc1")
FIRST_PASS_SHARE = 0.4


def encode(
    source: MediaInfo,
    plan: CompressionPlan,
    encoder: Encoder | None,
    path: Path,
    progress: Progress,
) -> None:
    """Write the source in one pass; ``encoder`` is for pictures. Raises ``FFmpegFailedError``."""
    shown = plan.pictures
    arguments: list[str | Path] = []
    if shown is not None and encoder is not None and shown.quality is not None:
        filters = [*picture_filters(source, shown), *encoder.filters]
        arguments += [*encoder.before, *ffmpeg.source(source.path), *PICTURES]
        arguments += ["-vf", ",".join(filters), "-fps_mode", "vfr"]
        arguments += [*encoder.arguments(shown.quality), *_tag(shown.codec)]
    else:
        arguments += [*ffmpeg.source(source.path), "-vn"]
    ffmpeg.run([*arguments, *_rest(source, plan), path], seconds=source.seconds, progress=progress)


def encoded_in_two_passes(
    source: MediaInfo, plan: CompressionPlan, preset: str, log: Path, path: Path, progress: Progress
) -> None:
    """Write the source with its pictures at the plan's bit rate. Raises ``FFmpegFailedError``.

    ``log`` is where notes of the first pass lie, under this name and longer ones.
    """
    shown = plan.pictures
    assert shown is not None  # noqa: S101 - sound has no passes
    begin: list[str | Path] = [*ffmpeg.source(source.path), *PICTURES]
    begin += ["-vf", ",".join(picture_filters(source, shown)), "-fps_mode", "vfr"]
    begin += [*software_passes(shown.codec, preset), "-b:v", str(shown.bits)]
    ffmpeg.run(
        [*begin, "-pass", "1", "-passlogfile", log, "-an", "-f", "null", "-"],
        seconds=source.seconds,
        progress=lambda share: progress(FIRST_PASS_SHARE * share),
    )
    ffmpeg.run(
        [*begin, "-pass", "2", "-passlogfile", log, *_rest(source, plan), path],
        seconds=source.seconds,
        progress=lambda share: progress(FIRST_PASS_SHARE + (1 - FIRST_PASS_SHARE) * share),
    )


def copy(source: MediaInfo, path: Path, *, private: bool, progress: Progress) -> None:
    """Write the source's own pictures and sound into a new MP4. Raises ``FFmpegFailedError``.

    Further sound is left out if nobody is to know more than has to be (``private``).
    """
    pictures = [*PICTURES, *_tag(source.pictures.codec)] if source.pictures else ["-vn"]
    metadata = PRIVATE if private else ()
    sounds = _sound_maps(source, further=not private)
    arguments = [*ffmpeg.source(source.path), *pictures, *sounds, *NOTHING_ELSE, "-c", "copy"]
    ffmpeg.run([*arguments, *metadata, *MP4, path], seconds=source.seconds, progress=progress)


def sound_decodes(source: MediaInfo) -> bool:
    """Whether FFmpeg gets through the source's sound, as it has to for any target."""
    return ffmpeg.decodes([*ffmpeg.source(source.path), "-vn", *_sound_maps(source)])


def picture_filters(source: MediaInfo, plan: PicturePlan) -> list[str]:
    """From the source's frames, turned upright by FFmpeg, to the plan's."""
    shown = source.pictures
    assert shown is not None  # noqa: S101 - a plan for pictures is made of some
    filters = [ON_BLACK] if shown.has_alpha else []
    filters += deinterlaced(shown.is_tiny)
    filters += [f"fps={plan.frame_rate}"] if plan.frame_rate < shown.frame_rate else []
    filters += [TO_SDR] if shown.is_hdr and not plan.keeps_range else []
    deep = shown.is_deep and plan.keeps_range
    filters += [f"scale={plan.width}:{plan.height}:flags=lanczos", "setsar=1"]
    return [*filters, f"format={'yuv420p10le' if deep else 'yuv420p'}"]


def _sound_maps(source: MediaInfo, *, further: bool = False) -> list[str]:
    """The sound that is heard first, and where asked for all others behind it."""
    heard = [source.sound] if source.sound else []
    heard += source.further if further else ()
    return [part for one in heard for part in ("-map", f"0:{one.stream}")]


def _rest(source: MediaInfo, plan: CompressionPlan) -> list[str]:
    sound = [*_sound_maps(source, further=bool(plan.further))] if plan.sound else ["-an"]
    for track, one in enumerate([plan.sound, *plan.further] if plan.sound else []):
        sound += one.arguments(track)
    metadata = PRIVATE if plan.private else ()
    return [*sound, *NOTHING_ELSE, *metadata, *MP4]


def _tag(codec: str) -> tuple[str, ...]:
    return APPLE_HEVC if codec == "hevc" else ()
