"""Read the properties of a file that compression depends on."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import av.error
from av.audio.stream import AudioStream
from av.container import InputContainer

from gpu_tasks.mediakit import audio, film
from gpu_tasks.mediakit.decoding import (
    find_audio_stream,
    find_header_seconds,
    has_alpha,
    open_media,
)
from gpu_tasks.runtime.errors import EngineError, ErrorCode

ANY_SIZE = 1_000_000
HIGH_DEPTH = 8


@dataclass(frozen=True)
class Pictures:
    """The moving pictures of a file as they are shown: upright, with square pixels."""

    codec: str
    width: int
    height: int
    """Both even."""
    frame_rate: Fraction
    is_hdr: bool
    is_deep: bool
    """More than eight bits."""
    pixel_format: str
    is_rotated: bool = False
    """They are stored in another orientation than they are shown."""
    has_alpha: bool = False
    """They have an alpha channel; the colours of transparent pixels may be anything."""
    is_tiny: bool = False


@dataclass(frozen=True)
class Sound:
    """A track of sound of a file."""

    codec: str
    channels: int
    sample_rate: int = 48_000
    """In hertz."""
    is_lossless: bool = False
    """PCM, or compressed without loss."""
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
    other_sounds: tuple[Sound, ...] = ()
    """Its other tracks of sound: languages, comments, channels of a recorder."""


def probe(path: Path, *, pictures: bool) -> MediaInfo:
    """Read the properties of the file at ``path``; without ``pictures``, of its sound alone.

    Raise ``EngineError`` INPUT_INVALID if it has neither, or no duration.
    """
    film_info = film.probe(path, max_side=ANY_SIZE) if pictures else None
    with open_media(path) as container:
        try:
            sound = _find_default_sound(container)
            other_sounds = tuple(
                track for track in _list_decodable_sounds(container) if track != sound
            )
            seconds = float(find_header_seconds(container) or _measure_seconds(container))
            pictures_info = _probe_pictures(container, film_info) if film_info else None
            is_mp4 = "mp4" in container.format.name.split(",")
        except av.error.FFmpegError as exc:
            fault = film.UNDECODABLE if pictures else audio.UNDECODABLE
            raise EngineError(ErrorCode.INPUT_INVALID, fault) from exc
    if not pictures and sound is None:
        raise EngineError(ErrorCode.INPUT_INVALID, "The file has no sound.")
    if seconds <= 0:
        raise EngineError(ErrorCode.INPUT_INVALID, "The file does not tell how long it is.")
    return MediaInfo(path, path.stat().st_size, seconds, pictures_info, sound, is_mp4, other_sounds)


def _probe_pictures(container: InputContainer, film_info: film.Film) -> Pictures:
    stream = next(
        stream
        for stream in container.streams.video
        if not stream.disposition & av.stream.Disposition.attached_pic
    )
    pixel_format = stream.format
    return Pictures(
        codec=stream.codec_context.codec.canonical_name,
        width=film_info.width,
        height=film_info.height,
        frame_rate=stream.average_rate or film_info.frame_rate,
        is_hdr=film_info.is_hdr,
        is_deep=max(component.bits for component in pixel_format.components) > HIGH_DEPTH,
        pixel_format=pixel_format.name,
        is_rotated=film_info.is_rotated,
        has_alpha=has_alpha(stream),
        is_tiny=film_info.is_tiny,
    )


def _find_default_sound(container: InputContainer) -> Sound | None:
    if not container.streams.audio:
        return None
    stream = find_audio_stream(container)
    if stream is None:
        raise EngineError(ErrorCode.INPUT_INVALID, "The sound could not be decoded.")
    return _build_sound(stream)


def _list_decodable_sounds(container: InputContainer) -> list[Sound]:
    """Return all tracks for which FFmpeg has a decoder."""
    return [
        _build_sound(stream)
        for stream in container.streams.audio
        if stream.codec_context is not None
    ]


def _build_sound(stream: AudioStream) -> Sound:
    codec = stream.codec_context.codec
    return Sound(
        codec=codec.canonical_name,
        channels=max(1, stream.channels),
        sample_rate=stream.rate or Sound.sample_rate,
        is_lossless=codec.lossless and not codec.lossy,
        stream=stream.index,
    )


def _measure_seconds(container: InputContainer) -> float:
    """Return the duration up to the last packet, for a file whose header has none."""
    zero = (container.start_time or 0) / av.time_base
    end, frames = 0.0, 0
    for packet in container.demux():
        frames += packet.stream.type == "video" and packet.size > 0
        if packet.pts is not None and packet.time_base:
            end = max(end, float((packet.pts + (packet.duration or 0)) * packet.time_base))
    rate = container.streams.video[0].guessed_rate if container.streams.video else None
    # Raw video streams have no time stamps, but a rate.
    return max(end - zero, float(frames / rate) if rate else 0.0)
