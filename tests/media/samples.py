"""Small media files made on the spot, and files that only pretend."""

import io
import struct
import wave
import zipfile
from fractions import Fraction
from typing import Any, cast

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.stream import VideoStream

WIDTH, HEIGHT, RATE, FRAMES = 64, 48, 25, 10
SAMPLE_RATE = 16_000

TEXT = b"This is a letter and no film at all.\n" * 40
PLAYLIST = b"""#EXTM3U
#EXT-X-VERSION:3
#EXT-X-TARGETDURATION:5
#EXTINF:5.0,
http://127.0.0.1:%d/secret.ts
#EXT-X-ENDLIST
"""
SESSION = b"""v=0
o=- 0 0 IN IP4 127.0.0.1
s=x
c=IN IP4 127.0.0.1
t=0 0
m=audio 9 RTP/AVP 0
"""
CONCATENATION = b"ffconcat version 1.0\nfile '/etc/hostname'\n"


def video(
    *, sound: bool = True, rotation: int | None = None, container: str = "mp4", live: bool = False
) -> bytes:
    """0.4 s of 64 x 48 at 25 frames a second; ``live`` leaves the duration out of the header."""
    buffer = _Unseekable() if live else io.BytesIO()
    with av.open(buffer, "w", format=container) as output:
        codec = "vp8" if container == "webm" else "mpeg4"
        frames = cast(VideoStream, output.add_stream(codec, rate=RATE))
        frames.width, frames.height, frames.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        if rotation is not None:
            frames.set_display_rotation(-rotation)
        voice = "libopus" if container == "webm" else "aac"
        spoken = output.add_stream(voice, rate=48_000) if sound else None
        _write_frames(output, frames)
        if spoken is not None:
            _write_sound(output, cast(AudioStream, spoken))
    return buffer.getvalue()


def undecodable_video() -> bytes:
    """A film whose container is in order and whose frames are noise."""
    content = video(sound=False)
    start = content.index(b"mdat") + 4
    end = content.index(b"moov") - 4
    return content[:start] + b"\xa5" * (end - start) + content[end:]


def video_without_index() -> bytes:
    """A film cut off before its index, as a broken copy leaves it."""
    content = video()
    return content[: content.index(b"moov") - 4]


def zipped() -> bytes:
    """A ZIP archive that holds a film."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("film.mp4", video())
    return buffer.getvalue()


def wav(*, frames: int = SAMPLE_RATE, rate: int = SAMPLE_RATE) -> bytes:
    """Silence, one second of it by default."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as output:
        output.setnchannels(1)
        output.setsampwidth(1)
        output.setframerate(rate)
        output.writeframes(b"\x80" * frames)
    return buffer.getvalue()


def song_with_cover() -> bytes:
    """An MP3 file with a picture attached."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp3") as output:
        voice = output.add_stream("mp3", rate=48_000)
        cover = output.add_stream("png", rate=1)
        cover.width, cover.height, cover.pix_fmt = WIDTH, HEIGHT, "rgb24"
        cover.disposition = av.stream.Disposition.attached_pic
        for packet in cover.encode(_frame(0)):
            output.mux(packet)
        _write_sound(output, voice)
    return buffer.getvalue()


def image(codec: str = "png") -> bytes:
    """A still picture."""
    encoder: Any = av.CodecContext.create(codec, "w")
    encoder.width, encoder.height = WIDTH, HEIGHT
    encoder.pix_fmt = "rgb24" if codec == "png" else "yuvj420p"
    encoder.time_base = Fraction(1, RATE)
    frame = _frame(0).reformat(format=encoder.pix_fmt)
    frame.pts = 0
    return b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)])


def photo(orientation: int) -> bytes:
    """A JPEG as phones take it: turned by a note (EXIF), 1 to 8; its left half is dark."""
    picture = np.full((HEIGHT, WIDTH, 3), 220, np.uint8)
    picture[:, : WIDTH // 2] = 40
    encoder: Any = av.CodecContext.create("mjpeg", "w")
    encoder.width, encoder.height, encoder.pix_fmt = WIDTH, HEIGHT, "yuvj420p"
    encoder.time_base = Fraction(1, RATE)
    frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuvj420p")
    frame.pts = 0
    content = b"".join(map(bytes, [*encoder.encode(frame), *encoder.encode(None)]))
    entry = struct.pack("<HHIHH", 0x0112, 3, 1, orientation, 0)
    note = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 1) + entry + bytes(4)
    return content[:2] + b"\xff\xe1" + struct.pack(">H", len(note) + 2) + note + content[2:]


class _Unseekable(io.BytesIO):
    """A file that cannot go back to write the duration, like a recorder's stream."""

    seek = None  # type: ignore[assignment]


def _frame(index: int) -> av.VideoFrame:
    picture = np.full((HEIGHT, WIDTH, 3), index * 20, np.uint8)
    return av.VideoFrame.from_ndarray(picture, format="rgb24")


def _write_frames(output: OutputContainer, stream: VideoStream) -> None:
    for index in range(FRAMES):
        for packet in stream.encode(_frame(index)):
            output.mux(packet)
    for packet in stream.encode():
        output.mux(packet)


def _write_sound(output: OutputContainer, stream: AudioStream) -> None:
    for index in range(20):
        frame = av.AudioFrame.from_ndarray(
            np.zeros((1, 960), np.int16), format="s16", layout="mono"
        )
        frame.sample_rate = 48_000
        frame.pts = index * 960
        for packet in stream.encode(frame):
            output.mux(packet)
    for packet in stream.encode():
        output.mux(packet)
