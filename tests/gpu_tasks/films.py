"""Small films, made by FFmpeg, of the kinds that people bring."""

from pathlib import Path

from gpu_tasks.mediakit import ffmpeg

PATTERN = "testsrc2=size={size}:rate={rate}:duration={seconds}"
TONE = "sine=frequency=440:sample_rate=48000:duration={seconds}"


def make_film(
    path: Path,
    *,
    size: str = "160x90",
    rate: str = "25",
    seconds: float = 1.0,
    sound: bool = True,
    extra: tuple[str, ...] = (),
) -> Path:
    """Make a test pattern with a tone; ``extra`` arguments precede the file."""
    arguments = ["-f", "lavfi", "-i", PATTERN.format(size=size, rate=rate, seconds=seconds)]
    if sound:
        arguments += ["-f", "lavfi", "-i", TONE.format(seconds=seconds), "-c:a", "aac"]
    ffmpeg.run([*arguments, "-c:v", "libx264", "-preset", "ultrafast", *extra, path])
    return path


def lying_film(path: Path, source: Path, *, frames: int) -> Path:
    """Write a copy of a film as AVI, whose header states this number of frames."""
    ffmpeg.run(["-i", source, "-c:v", "mpeg4", path])
    content = bytearray(path.read_bytes())
    for header, offset in ((b"avih", 24), (b"strh", 40)):  # total frames, length of the stream
        position = content.index(header) + offset
        content[position : position + 4] = frames.to_bytes(4, "little")
    path.write_bytes(content)
    return path


def turned(path: Path, source: Path, degrees: int) -> Path:
    """Write a copy of a film that players rotate counterclockwise by ``degrees``."""
    ffmpeg.run(["-display_rotation", str(degrees), "-i", source, "-c", "copy", path])
    return path
