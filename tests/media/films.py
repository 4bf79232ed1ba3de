"""Films whose frames say when they are shown, with all that phones do to them."""

import io
from collections.abc import Sequence
from fractions import Fraction
from typing import Any, cast

import av
import numpy as np
from av.video.stream import VideoStream
from numpy.typing import NDArray

WIDTH, HEIGHT = 96, 64
RATE = 10
TICKS = 1000

Picture = NDArray[np.uint8]


def halves(left: int, right: int, *, width: int = WIDTH, height: int = HEIGHT) -> Picture:
    """A picture with a left and a right half of grey."""
    picture = np.full((height, width, 3), left, np.uint8)
    picture[:, width // 2 :] = right
    return picture


def film(
    pictures: Sequence[Picture],
    *,
    times_ms: Sequence[int] | None = None,
    key_frames_every: int = 12,
    rotation: int = 0,
    sound: NDArray[np.int16] | None = None,
    sample_aspect: Fraction | None = None,
    container: str = "mp4",
    **options: Any,
) -> bytes:
    """The pictures at ``RATE`` or at the given times; ``sound`` is mono at 48 kHz."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as output:
        codec = options.pop("codec", "mpeg4")
        stream = cast(VideoStream, output.add_stream(codec, rate=RATE))
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = options.pop("pix_fmt", "yuv420p")
        context: Any = stream.codec_context
        context.time_base = Fraction(1, TICKS)
        context.gop_size = key_frames_every
        context.bit_rate = 4_000_000
        context.options = {"sc_threshold": "1000000000"}  # no key frames of its own accord
        for name, value in options.items():
            setattr(context, name, value)
        if sample_aspect is not None:
            context.sample_aspect_ratio = sample_aspect
        if rotation:
            stream.set_display_rotation(-rotation)
        voice = output.add_stream("aac", rate=48_000, layout="mono") if sound is not None else None
        times = times_ms or [number * TICKS // RATE for number in range(len(pictures))]
        for picture, time in zip(pictures, times, strict=True):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = time, Fraction(1, TICKS)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
        if voice is not None and sound is not None:
            heard = av.AudioFrame.from_ndarray(sound.reshape(1, -1), format="s16", layout="mono")
            heard.sample_rate, heard.pts = 48_000, 0
            output.mux(voice.encode(heard))
            output.mux(voice.encode(None))
    return buffer.getvalue()


def tone(seconds: float, *, silent_seconds: float = 0.0, level: float = 0.5) -> NDArray[np.int16]:
    """A sine of 440 Hz at 48 kHz, after silence."""
    times = np.arange(int(seconds * 48_000)) / 48_000
    sine = (np.sin(2 * np.pi * 440 * times) * level * 32767).astype(np.int16)
    return np.concatenate([np.zeros(int(silent_seconds * 48_000), np.int16), sine])


def decoded(content: bytes) -> Picture:
    """The pixels of a JPEG."""
    with av.open(io.BytesIO(content)) as container:
        frame = next(container.decode(video=0))
        return np.asarray(frame.to_ndarray(format="rgb24"))


def with_spoilt_pictures(content: bytes) -> bytes:
    """The film with noise in place of its frames; the sound is whole."""
    spoilt = bytearray(content)
    with av.open(io.BytesIO(content)) as container:
        for packet in container.demux(video=0):
            if packet.pos is not None and packet.size:
                spoilt[packet.pos : packet.pos + packet.size] = b"\xa5" * packet.size
    return bytes(spoilt)
