"""What a file holds, as far as compressing it depends on that."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import av.error
from av.audio.stream import AudioStream
from av.container import InputContainer

from gpu_tasks.mediakit import audio, film
from gpu_tasks.mediakit.decoding import find_audio_stream, has_alpha, header_seconds, open_media
from gpu_tasks.runtime.errors import EngineError, ErrorCode

ANY_SIZE = 1_000_000
HIGH_DEPTH = 8


@dataclass(frozen=True)
class Pictures:
    """The moving pictures of a file, as they are shown: upright, with square pixels."""

    codec: str
    width: int
    height: int
    """Both even."""
    frame_rate: Fraction
    is_hdr: bool
    is_deep: bool
    """More than eight bits."""
    pixel_format: str
    is_turned: bool = False
    """They are stored otherwise than they are shown."""
    has_alpha: bool = False
    """They say how far one sees through them; the colours of what nobody sees may be anything."""
    is_tiny: bool = False


@dataclass(frozen=True)
class Sound:
    """A sound of a file."""

    codec: str
    channels: int
    sample_rate: int = 48_000
    """In hertz."""
    is_lossless: bool = False
    """Pulse codes, or compressed so that they come back as they were."""
    stream: int = 0
    """Its index in the file."""


@dataclass(frozen=True)
class MediaInfo:
    """A file to compress."""

    path: Path
    size_bytes: int
    seconds: float
    pictures: Pictures | None
    sound: Sound | None
    is_mp4: bool = False
    further: tuple[Sound, ...] = ()
    """Its other tracks of sound: languages, comments, channels of a recorder."""


def probe(path: Path, *, pictures: bool) -> MediaInfo:
    """What the file at ``path`` holds; without ``pictures``, its sound alone.

    Raises ``EngineError`` INPUT_INVALID for what holds neither, or no end.
    """
    shown = film.probe(path, max_side=ANY_SIZE) if pictures else None
    with open_media(path) as container:
        try:
            sound = _sound(container)
            further = tuple(one for one in _sounds(container) if one != sound)
            seconds = float(header_seconds(container) or _last_seconds(container))
            found = _pictures(container, shown) if shown else None
            is_mp4 = "mp4" in container.format.name.split(",")
        except av.error.FFmpegError as exc:
            fault = film.UNDECODABLE if pictures else audio.UNDECODABLE
            raise EngineError(ErrorCode.INPUT_INVALID, fault) from exc
    if not pictures and sound is None:
        raise EngineError(ErrorCode.INPUT_INVALID, "The file has no sound.")
    if seconds <= 0:
        raise EngineError(ErrorCode.INPUT_INVALID, "The file does not tell how long it is.")
    return MediaInfo(path, path.stat().st_size, seconds, found, sound, is_mp4, further)


def _pictures(container: InputContainer, shown: film.Film) -> Pictures:
    stream = next(
        one
        for one in container.streams.video
        if not one.disposition & av.stream.Disposition.attached_pic
    )
    form = stream.format
    return Pictures(
        codec=stream.codec_context.codec.canonical_name,
        width=shown.width,
        height=shown.height,
        frame_rate=stream.average_rate or shown.frame_rate,
        is_hdr=shown.is_hdr,
        is_deep=max(component.bits for component in form.components) > HIGH_DEPTH,
        pixel_format=form.name,
        is_turned=shown.is_turned,
        has_alpha=has_alpha(stream),
        is_tiny=shown.is_tiny,
    )


def _sound(container: InputContainer) -> Sound | None:
    if not container.streams.audio:
        return None
    stream = find_audio_stream(container)
    if stream is None:
        raise EngineError(ErrorCode.INPUT_INVALID, "The sound could not be decoded.")
    return _facts(stream)


def _sounds(container: InputContainer) -> list[Sound]:
    """All that FFmpeg has a decoder for."""
    return [_facts(one) for one in container.streams.audio if one.codec_context is not None]


def _facts(stream: AudioStream) -> Sound:
    codec = stream.codec_context.codec
    return Sound(
        codec=codec.canonical_name,
        channels=max(1, stream.channels),
        sample_rate=stream.rate or Sound.sample_rate,
        is_lossless=codec.lossless and not codec.lossy,
        stream=stream.index,
    )


def _last_seconds(container: InputContainer) -> float:
    """How long a file without a header's word on it is: until its last packet."""
    zero = (container.start_time or 0) / av.time_base
    last, frames = 0.0, 0
    for packet in container.demux():
        frames += packet.stream.type == "video" and packet.size > 0
        if packet.pts is not None and packet.time_base:
            last = max(last, float((packet.pts + (packet.duration or 0)) * packet.time_base))
    rate = container.streams.video[0].guessed_rate if container.streams.video else None
    # Bare pictures have no times, but a rate.
    return max(last - zero, float(frames / rate) if rate else 0.0)
