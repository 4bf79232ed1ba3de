"""The committed recordings, and other files made from them on the spot."""

import re
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import OutputContainer

from gpu_tasks.mediakit.audio import RATE, Samples, SoundTrack
from gpu_tasks.mediakit.decoding import open_media

FIXTURES = Path(__file__).parents[1] / "fixtures"
SAMPLES = Path(__file__).parents[2] / "auteur" / "devstack" / "samples"
INTERVIEW, BROKEN = SAMPLES / "interview.mp4", SAMPLES / "broken.mp4"
MONOLOGUE, SHORT = FIXTURES / "monologue.ogg", FIXTURES / "short.flac"


def reference(recording: Path) -> str:
    """Return the text of a committed recording."""
    return recording.with_suffix(".txt").read_text(encoding="utf-8")


def word_error_rate(expected: str, heard: str) -> float:
    """Substitutions, insertions and deletions per expected word (Levenshtein distance)."""
    target, result = (re.findall(r"[a-z']+", text.lower()) for text in (expected, heard))
    row = list(range(len(result) + 1))
    for done, word in enumerate(target, start=1):
        above, row = row, [done]
        for column, other in enumerate(result, start=1):
            change = above[column - 1] + (word != other)
            row.append(min(change, above[column] + 1, row[-1] + 1))
    return row[-1] / len(target)


def sound_of(path: Path) -> Samples:
    """All samples of a file, gaps as silence."""
    with open_media(path) as container:
        blocks = list(SoundTrack(container).blocks())
    sound = np.zeros(blocks[-1].end, np.int16)
    for block in blocks:
        sound[block.start : block.end] = block.samples
    return sound


def lying_sound(path: Path, source: Path, *, seconds: float) -> Path:
    """Return a FLAC file whose header says that it lasts so long (RFC 9639, 8.2)."""
    content = bytearray(source.read_bytes())
    facts = int.from_bytes(content[18:26], "big")  # 20 bits rate, 3 channels, 5 depth, 36 samples
    samples = round(seconds * (facts >> 44))
    content[18:26] = (facts >> 36 << 36 | samples).to_bytes(8, "big")
    path.write_bytes(content)
    return path


def write_sound(
    path: Path,
    codec: str,
    sound: Samples,
    *,
    rate: int = 44_100,
    layout: str = "mono",
    sample_format: str | None = None,
    starts: Sequence[float] = (0.0,),
) -> Path:
    """Encode ``sound``, in equal parts that start at the given seconds."""
    with av.open(str(path), "w") as container:
        stream = _sound_stream(container, codec, rate, layout)
        if sample_format:
            stream.format = sample_format
        for part, start in zip(np.array_split(sound, len(starts)), starts, strict=True):
            _encode(container, stream, part, start)
        container.mux(stream.encode(None))
    return path


def _sound_stream(
    container: OutputContainer, codec: str, rate: int, layout: str = "mono"
) -> AudioStream:
    stream = cast(AudioStream, container.add_stream(codec, rate=rate, layout=layout))
    stream.bit_rate = 96_000
    return stream


def _encode(container: OutputContainer, stream: AudioStream, part: Samples, start: float) -> None:
    frame = av.AudioFrame.from_ndarray(part.reshape(1, -1), format="s16", layout="mono")
    frame.sample_rate = RATE
    size = stream.codec_context.frame_size or 1024
    resampler = av.AudioResampler(stream.format, stream.layout, stream.rate, frame_size=size)
    position = round(start * stream.rate)
    for converted in resampler.resample(frame) + resampler.resample(None):
        converted.pts, converted.time_base = position, Fraction(1, stream.rate)
        position += converted.samples
        container.mux(stream.encode(converted))


def write_film(path: Path, sound: Samples | None, *, sound_starts: float = 0.0) -> Path:
    """Return a second of picture that starts at zero, and a sound that may start later."""
    with av.open(str(path), "w") as container:
        picture = container.add_stream("mpeg4", rate=10)
        picture.width, picture.height, picture.pix_fmt = 32, 32, "yuv420p"
        codec = "mp2" if path.suffix == ".ts" else "aac"
        stream = None if sound is None else _sound_stream(container, codec, RATE)
        for _ in range(10):
            container.mux(picture.encode(av.VideoFrame(32, 32, "yuv420p")))
        container.mux(picture.encode(None))
        if stream is not None and sound is not None:
            _encode(container, stream, sound, sound_starts)
            container.mux(stream.encode(None))
    return path


def tone(seconds: float, hertz: float = 440.0) -> Samples:
    """Return a steady tone."""
    time = np.arange(round(seconds * RATE)) / RATE
    return (8000 * np.sin(2 * np.pi * hertz * time)).astype(np.int16)


def spoil(path: Path, share: float) -> Path:
    """Overwrite that share of a file's sound packets, the first ones, with zeros."""
    with av.open(str(path)) as container:
        packets = [(p.pos, p.size) for p in container.demux(audio=0) if p.pos is not None]
    content = bytearray(path.read_bytes())
    for position, size in packets[: round(share * len(packets))]:
        content[position : position + size] = bytes(size)
    path.write_bytes(content)
    return path
