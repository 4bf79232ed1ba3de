"""Join segments to a film: pictures by stream copy, sound encoded once as a whole."""

import re
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

from gpu_tasks.mediakit import ffmpeg
from gpu_tasks.render.contract import Cue, Format, Output
from gpu_tasks.render.contract.segments import SAMPLE_RATE
from gpu_tasks.render.sound import HEADROOM_DB

SOUND = {
    Format.MP4: ("-c:a", "aac", "-b:a", "192k"),
    Format.WEBM: ("-c:a", "libopus", "-b:a", "160k"),
    Format.MOV: ("-c:a", "pcm_s24le"),
    Format.M4A: ("-c:a", "aac", "-b:a", "192k"),
}
SOUND_SUFFIX = {Format.MP4: ".m4a", Format.WEBM: ".webm", Format.MOV: ".mov", Format.M4A: ".m4a"}
CAPTIONS = {Format.MP4: "mov_text", Format.WEBM: "webvtt", Format.MOV: "mov_text"}
MUXER = {Format.MP4: "mp4", Format.WEBM: "webm", Format.MOV: "mov", Format.M4A: "ipod"}
PEAK = 0.89
"""-1 dB, so that what encoders and players add does not clip."""
SILENT_LUFS = -70.0
"""The loudness that FFmpeg reports for silence."""
MAX_GAIN_DB = 30.0
"""A nearly silent film is not amplified to loud noise."""
LOUDNESS = re.compile(r"I:\s+(-?\d+\.\d|-inf) LUFS")

Progress = Callable[[float], None]


def write_playlist(
    paths: Sequence[Path], lengths: Sequence[Fraction], target: Path
) -> list[str | Path]:
    """Write a playlist; return arguments that read its files, each for so many seconds."""
    lines = ["ffconcat version 1.0"]
    end = Fraction(0)
    for path, length in zip(paths, lengths, strict=True):
        # The sum is rounded, not each length, so that rounding errors do not add up.
        begin_us, end = round(end * 1_000_000), end + length
        lines += [f"file 'file:{path}'", f"duration {round(end * 1_000_000) - begin_us}us"]
    target.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return ["-safe", "0", "-f", "concat", "-i", target]


def measure_loudness(source: Sequence[str | Path], seconds: float, progress: Progress) -> float:
    """Return the integrated loudness in LUFS (EBU R128)."""
    report = ffmpeg.run(
        ["-loglevel", "info", *source, "-af", "ebur128=framelog=quiet", "-f", "null", "-"],
        seconds=seconds,
        progress=progress,
    )
    readings = LOUDNESS.findall(report)
    if not readings:
        raise ffmpeg.FFmpegFailedError("it did not tell the loudness")
    return max(SILENT_LUFS, float(readings[-1]) + HEADROOM_DB)


def encode_sound(
    source: Sequence[str | Path],
    output: Output,
    target: Path,
    seconds: float,
    progress: Progress,
) -> None:
    """Encode the sound at the output's loudness, if it has one."""
    gain = float(HEADROOM_DB)
    if output.loudness_lufs is not None:
        loudness_lufs = measure_loudness(source, seconds, lambda share: progress(share / 2))
        if loudness_lufs > SILENT_LUFS:
            gain += min(MAX_GAIN_DB, output.loudness_lufs - loudness_lufs)
    limit = f"alimiter=level=0:limit={PEAK}:latency=1"
    filters = f"volume={gain:.2f}dB,{limit},asetpts=N/SR/TB"
    args = [*source, "-af", filters, "-ar", str(SAMPLE_RATE), *SOUND[output.format]]
    ffmpeg.run(
        [*args, "-map_metadata", "-1", "-f", MUXER[output.format], target],
        seconds=seconds,
        progress=lambda share: progress((1 + share) / 2),
    )


def join_segments(
    pictures: Sequence[str | Path] | None,
    sound: Path | None,
    cues: Path | None,
    output: Output,
    timescale: int,
    target: Path,
    seconds: float,
    progress: Progress,
) -> None:
    """Write the film without encoding anything again."""
    args: list[str | Path] = []
    maps: list[str | Path] = []
    files: list[list[str | Path]] = [["-i", path] for path in (sound, cues) if path is not None]
    for source in [*([pictures] if pictures is not None else []), *files]:
        maps += ["-map", str(args.count("-i"))]
        args += source
    args += [*maps, "-c", "copy", "-map_metadata", "-1"]
    if cues is not None:
        args += ["-c:s", CAPTIONS[output.format]]
    if output.format is not Format.WEBM:
        args += ["-movflags", "+faststart"]
        if pictures is not None:
            args += ["-video_track_timescale", str(timescale)]
    ffmpeg.run([*args, "-f", MUXER[output.format], target], seconds=seconds, progress=progress)


def write_cues(cues: Sequence[Cue], target: Path) -> Path:
    """Write the captions as SubRip, which FFmpeg converts for the format."""
    blocks = [
        f"{number}\n"
        f"{_format_time(cue.start_ms)} --> {_format_time(cue.end_ms)}\n"
        f"{_remove_markup(cue.text)}\n"
        for number, cue in enumerate(cues, start=1)
    ]
    target.write_text("\n".join(blocks), encoding="utf-8")
    return target


def _remove_markup(text: str) -> str:
    """Return the text without empty lines, which end a block, and without markup characters."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return "\n".join(lines).replace("-->", "->").replace("<", "\u2039").replace("{", "(")


def _format_time(milliseconds: int) -> str:
    seconds, remainder = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02},{remainder:03}"
