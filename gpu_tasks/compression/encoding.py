"""Run FFmpeg to encode a source according to a plan."""

from collections.abc import Callable
from pathlib import Path

from gpu_tasks.compression.encoders import Encoder, list_software_arguments
from gpu_tasks.compression.plans import CompressionPlan, PicturePlan
from gpu_tasks.compression.source import MediaInfo
from gpu_tasks.mediakit import ffmpeg
from gpu_tasks.mediakit.film import ON_BLACK, TO_SDR, get_deinterlace_filter

Progress = Callable[[float], None]
PICTURES = ("-map", "0:V:0")
"""The first video stream that is not a cover."""
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
"""Playable while it loads. The index counts chunks of a second, not frames, so it is smaller."""
APPLE_HEVC = ("-tag:v", "hvc1")
FIRST_PASS_SHARE = 0.4


def encode(
    source: MediaInfo,
    plan: CompressionPlan,
    encoder: Encoder | None,
    path: Path,
    progress: Progress,
) -> None:
    """Write the source in one pass; ``encoder`` is for pictures. Raise ``FFmpegFailedError``."""
    pictures = plan.pictures
    arguments: list[str | Path] = []
    if pictures is not None and encoder is not None and pictures.quality is not None:
        filters = [*build_picture_filters(source, pictures), *encoder.filters]
        arguments += [*encoder.before, *ffmpeg.source(source.path), *PICTURES]
        arguments += ["-vf", ",".join(filters), "-fps_mode", "vfr"]
        arguments += [*encoder.arguments(pictures.quality), *_get_codec_tag(pictures.codec)]
    else:
        arguments += [*ffmpeg.source(source.path), "-vn"]
    ffmpeg.run(
        [*arguments, *_sound_and_output_arguments(source, plan), path],
        seconds=source.seconds,
        progress=progress,
    )


def encode_in_two_passes(
    source: MediaInfo, plan: CompressionPlan, preset: str, log: Path, path: Path, progress: Progress
) -> None:
    """Write the source with its pictures at the plan's bit rate. Raise ``FFmpegFailedError``.

    ``log`` is the path prefix of the first pass's log files.
    """
    pictures = plan.pictures
    assert pictures is not None  # noqa: S101 - sound has no passes
    args: list[str | Path] = [*ffmpeg.source(source.path), *PICTURES]
    args += ["-vf", ",".join(build_picture_filters(source, pictures)), "-fps_mode", "vfr"]
    args += [*list_software_arguments(pictures.codec, preset), "-b:v", str(pictures.bits)]
    ffmpeg.run(
        [*args, "-pass", "1", "-passlogfile", log, "-an", "-f", "null", "-"],
        seconds=source.seconds,
        progress=lambda share: progress(FIRST_PASS_SHARE * share),
    )
    ffmpeg.run(
        [
            *args,
            "-pass",
            "2",
            "-passlogfile",
            log,
            *_sound_and_output_arguments(source, plan),
            path,
        ],
        seconds=source.seconds,
        progress=lambda share: progress(FIRST_PASS_SHARE + (1 - FIRST_PASS_SHARE) * share),
    )


def copy(source: MediaInfo, path: Path, *, private: bool, progress: Progress) -> None:
    """Copy the source's own pictures and sound into a new MP4. Raise ``FFmpegFailedError``.

    If ``private``, metadata and other tracks of sound are left out.
    """
    pictures = [*PICTURES, *_get_codec_tag(source.pictures.codec)] if source.pictures else ["-vn"]
    metadata = PRIVATE if private else ()
    sounds = _build_sound_maps(source, includes_others=not private)
    arguments = [*ffmpeg.source(source.path), *pictures, *sounds, *NOTHING_ELSE, "-c", "copy"]
    ffmpeg.run([*arguments, *metadata, *MP4, path], seconds=source.seconds, progress=progress)


def can_decode_sound(source: MediaInfo) -> bool:
    """Return True if FFmpeg decodes all of the source's sound, as every target requires."""
    return ffmpeg.can_decode([*ffmpeg.source(source.path), "-vn", *_build_sound_maps(source)])


def build_picture_filters(source: MediaInfo, plan: PicturePlan) -> list[str]:
    """Return the filters that convert the source's frames, already upright, to the plan's."""
    pictures = source.pictures
    assert pictures is not None  # noqa: S101 - a plan for pictures is made of some
    filters = [ON_BLACK] if pictures.has_alpha else []
    filters += get_deinterlace_filter(pictures.is_tiny)
    filters += [f"fps={plan.frame_rate}"] if plan.frame_rate < pictures.frame_rate else []
    filters += [TO_SDR] if pictures.is_hdr and not plan.keeps_range else []
    is_deep = pictures.is_deep and plan.keeps_range
    filters += [f"scale={plan.width}:{plan.height}:flags=lanczos", "setsar=1"]
    return [*filters, f"format={'yuv420p10le' if is_deep else 'yuv420p'}"]


def _build_sound_maps(source: MediaInfo, *, includes_others: bool = False) -> list[str]:
    """Return the maps of the default track of sound and, if ``includes_others``, of all others."""
    tracks = [source.sound] if source.sound else []
    tracks += source.other_sounds if includes_others else ()
    return [argument for track in tracks for argument in ("-map", f"0:{track.stream}")]


def _sound_and_output_arguments(source: MediaInfo, plan: CompressionPlan) -> list[str]:
    sound = (
        [*_build_sound_maps(source, includes_others=bool(plan.other_sounds))]
        if plan.sound
        else ["-an"]
    )
    for index, track_plan in enumerate([plan.sound, *plan.other_sounds] if plan.sound else []):
        sound += track_plan.arguments(index)
    metadata = PRIVATE if plan.private else ()
    return [*sound, *NOTHING_ELSE, *metadata, *MP4]


def _get_codec_tag(codec: str) -> tuple[str, ...]:
    return APPLE_HEVC if codec == "hevc" else ()
