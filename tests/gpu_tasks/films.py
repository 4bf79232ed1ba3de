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
    """A test pattern with a tone; ``extra`` arguments stand before the file."""
    arguments = ["-f", "lavfi", "-i", PATTERN.format(size=size, rate=rate, seconds=seconds)]
    if sound:
        arguments += ["-f", "lavfi", "-i", TONE.format(seconds=seconds), "-c:a", "aac"]
    ffmpeg.run([*arguments, "-c:v", "libx264", "-preset", "ultrafast", *extra, path])
    return path


def lying_film(path: Path, source: Path, *, frames: int) -> Path:
    """An AVI of another film whose header says that it has so many frames."""
    ffmpeg.run(["-i", source, "-c:v", "mpeg4", path])
    content = bytearray(path.read_bytes())
    for header, offset in ((b"avih", 24), (b"strh", 40)):  # total frames, length of the stream
        place = content.index(header) + offset
        content[place : place + 4] = frames.to_bytes(4, "little")
    path.write_bytes(content)
    return path


def turned(path: Path, source: Path, degrees: int) -> Path:
    """The same film with a note that players turn it by ``degrees``, counterclockwise."""
    ffmpeg.run(["-display_rotation", str(degrees), "-i", source, "-c", "copy", path])
    return path
