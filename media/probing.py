"""Probe a media file from its container, decoding only the first frame of a video.

Only for use in the sandbox (`media.inspection`), because FFmpeg opens an untrusted file.
"""

import re
import struct
import time
from dataclasses import asdict, dataclass, field, replace
from fractions import Fraction
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, BinaryIO

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream
from PIL import Image

from gpu_tasks.mediakit import heif
from gpu_tasks.mediakit.decoding import (
    PHOTO,
    find_audio_stream,
    find_header_seconds,
    get_crop,
    get_first_ticks,
    is_too_large,
    open_media,
    read_packets,
)
from gpu_tasks.mediakit.headers import read_headers
from gpu_tasks.mediakit.orientation import Orientation, get_orientation
from gpu_tasks.mediakit.sizes import MAX_DECODED_PIXELS, MAX_FRAME_PIXELS
from gpu_tasks.runtime.errors import EngineError, InputRefusedError
from media.limits import MAX_SCAN_SECONDS
from media.probes import (
    AUDIO,
    IMAGE,
    VIDEO,
    AnimatedPictureError,
    DurationUnknownError,
    MediaTooLongError,
    PictureDamagedError,
    PictureTooLargeError,
    Probe,
    ProtectedMediaError,
    TimestampsRestartError,
    UnsupportedMediaError,
)

MAX_DURATION_MS = 12 * 60 * 60 * 1000

MAX_TIMED_PACKETS = 240
"""Frames whose times are compared to detect a variable frame rate."""
MIN_GAPS = 4
MAX_JITTER = 0.2
"""The share of a frame's duration by which frames of a constant rate may differ."""

TIMECODE = re.compile(r"([01]\d|2[0-3]):[0-5]\d:[0-5]\d[:;]\d\d", re.ASCII)
MAX_TAGGED_STREAMS = 32
"""Streams that are searched for a timecode."""

PRIMARIES = {
    1: "bt709",
    4: "bt470m",
    5: "bt470bg",
    6: "smpte170m",
    7: "smpte240m",
    9: "bt2020",
    11: "dci-p3",
    12: "display-p3",
}
TRANSFERS = {
    1: "bt709",
    4: "gamma22",
    5: "gamma28",
    6: "smpte170m",
    7: "smpte240m",
    8: "linear",
    13: "srgb",
    14: "bt2020-10",
    15: "bt2020-12",
    16: "pq",
    18: "hlg",
}
"""Names for the numbers of ITU-T H.273, tables 2 and 3."""
HDR_TRANSFERS = {"pq", "hlg"}

UNNAMED_LAYOUTS = {"0 channels": None, "1 channels": "mono", "2 channels": "stereo"}

GIF = "gif"
PICTURE_STARTS = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8")
RESTARTING = frozenset({"mpegts", "mpeg"})
"""Formats of broadcasts and discs, whose clocks may restart."""
MAX_STEP_SECONDS = 1
"""The largest step between two packets of a stream. A larger one is a jump."""
STEADY_PACKETS = 10
"""Packets without a jump, before and after a step back, that prove a restart of the clock."""
PICTURES = ("JPEG", "PNG", "WEBP")
"""Pillow's names of the formats that it checks, because FFmpeg reports less about them."""
FOREIGN_BEGINNINGS = (
    b"PK\x03\x04",
    b"PK\x05\x06",
    b"Rar!\x1a\x07",
    b"7z\xbc\xaf\x27\x1c",
    b"\x1f\x8b",
    b"BZh",
    b"\xfd7zXZ\x00",
    b"%PDF-",
    b"\x7fELF",
    b"MZ",
    b"{\\rtf",
    b"\xd0\xcf\x11\xe0",
)
"""The first bytes of archives, documents and programs, in which FFmpeg could find a film."""
MAX_BEGINNING = max(map(len, FOREIGN_BEGINNINGS))

Image.MAX_IMAGE_PIXELS = MAX_DECODED_PIXELS
"""Pillow warns above this number of pixels, and refuses twice as many."""


def probe_as_json(source: BinaryIO) -> dict[str, Any]:
    """Return the result of ``probe`` in plain values, for the sandbox."""
    return asdict(probe(source))


def probe(source: str | BinaryIO, *, max_scan_seconds: float = MAX_SCAN_SECONDS) -> Probe:
    """Probe the container at a path or in an open file.

    Raises the subclasses of ``InputRefusedError`` in `media.probes`.
    """
    if isinstance(source, str):
        with Path(source).open("rb") as file:
            return probe(file, max_scan_seconds=max_scan_seconds)
    beginning = source.read(max(MAX_BEGINNING, heif.BEGINNING_BYTES))
    if beginning.startswith(FOREIGN_BEGINNINGS):
        raise UnsupportedMediaError
    if read_headers(source).is_protected:
        raise ProtectedMediaError
    source.seek(0)
    try:
        if heif.find_format(beginning) is not None:
            return _probe_heif(source)
        with open_media(source) as container:
            result = _probe_container(container, max_scan_seconds)
    except (EngineError, av.FFmpegError, UnsupportedMediaError) as exc:
        raise _find_refusal(source) from exc
    if result.metadata["container"] == GIF:
        _check_gif(source)
    return result


def _check_gif(source: BinaryIO) -> None:
    """Raise ``PictureDamagedError`` if the first picture ends early, which FFmpeg accepts."""
    source.seek(0)
    try:
        with Image.open(source, formats=["GIF"]) as picture:
            picture.load()
    except (OSError, ValueError, SyntaxError, struct.error, IndexError) as exc:
        raise PictureDamagedError from exc


def _probe_heif(source: BinaryIO) -> Probe:
    """Probe a HEIC or AVIF picture, checking its size before it is decoded."""
    try:
        header = heif.read_header(source)
        if header.is_sequence:
            raise AnimatedPictureError
        if header.is_too_large:
            detail = f"Pictures in {header.format.upper()} may have "
            detail += f"{heif.MAX_PIXELS[header.format] // 1_000_000} million pixels."
            raise PictureTooLargeError(detail=detail)
        with open_media(source) as container:
            probe = _probe_container(container, MAX_SCAN_SECONDS)
    except EngineError as exc:
        raise PictureDamagedError from exc
    header_metadata = {
        "container": header.format,
        "video_codec": header.codec,
        "width": header.width,
        "height": header.height,
        "bit_depth": header.bit_depth,
    }
    return replace(probe, metadata=probe.metadata | header_metadata)


def _find_refusal(source: BinaryIO) -> InputRefusedError:
    """Return why a file cannot be read; FFmpeg does not state what is wrong with a picture."""
    source.seek(0)
    beginning = source.read(12)
    is_picture = beginning.startswith(PICTURE_STARTS) or beginning[8:] == b"WEBP"
    source.seek(0)
    try:
        with Image.open(source, formats=PICTURES) as picture:
            width, height = picture.size
            is_animated = getattr(picture, "is_animated", False)
    except (OSError, ValueError, SyntaxError, struct.error):
        return PictureDamagedError() if is_picture else UnsupportedMediaError()
    except Image.DecompressionBombError:
        return PictureTooLargeError()
    if is_animated:
        return AnimatedPictureError()
    return PictureTooLargeError() if width * height > MAX_FRAME_PIXELS else PictureDamagedError()


def _probe_container(container: InputContainer, max_scan_seconds: float) -> Probe:
    video, audio = find_picture_stream(container), _find_sound_stream(container)
    if video is None and audio is None:
        raise UnsupportedMediaError
    metadata: dict[str, Any] = {"container": container.format.name, "has_audio": audio is not None}
    if audio is not None:
        metadata |= _build_sound_metadata(audio)
    if video is not None:
        if is_too_large(container, video):
            raise PictureTooLargeError
        metadata |= _build_picture_metadata(container, video)
        if _is_still(container):
            return Probe(
                IMAGE, None, metadata | _build_orientation_metadata(_decode_still(container, video))
            )
        metadata |= _build_motion_metadata(container, video)
    if timecode := _find_start_timecode(container, video):
        metadata["start_timecode"] = timecode
    return Probe(
        type=AUDIO if video is None else VIDEO,
        duration_ms=_measure_duration_ms(container, max_scan_seconds),
        metadata=metadata,
    )


def _find_start_timecode(container: InputContainer, video: VideoStream | None) -> str | None:
    """Return the camera's timecode of the first frame, with `;` for drop-frame."""
    video_metadata = [video.metadata] if video is not None else []
    stream_metadata = (stream.metadata for stream in islice(container.streams, MAX_TAGGED_STREAMS))
    for metadata in (*video_metadata, container.metadata, *stream_metadata):
        # Matroska writes the names of tags in capitals.
        tags = {name.lower(): text for name, text in metadata.items()}
        if TIMECODE.fullmatch(text := tags.get("timecode", "")):
            return text
    return None


def _is_still(container: InputContainer) -> bool:
    name = container.format.name
    return name.endswith("_pipe") or name == GIF


def find_picture_stream(container: InputContainer) -> VideoStream | None:
    """Return the stream of pictures, or None; the cover of a song does not count."""
    # FFmpeg reports the cover of a song as a video stream.
    cover = av.stream.Disposition.attached_pic
    streams = (stream for stream in container.streams.video if not stream.disposition & cover)
    return next((stream for stream in streams if _is_real(stream, "width", "height")), None)


def _find_sound_stream(container: InputContainer) -> AudioStream | None:
    streams = (stream for stream in container.streams.audio if _is_real(stream, "rate", "channels"))
    return find_audio_stream(container) or next(streams, None)


def _is_real(stream: VideoStream | AudioStream, *properties: str) -> bool:
    # FFmpeg guesses headerless formats from the file's name. So a stream without these properties
    # counts only if its container lists frames: then it is valid, even if it does not decode.
    if stream.codec_context is None:
        return False  # FFmpeg does not know the codec.
    return stream.frames > 0 or all(getattr(stream, name) for name in properties)


def _build_sound_metadata(audio: AudioStream) -> dict[str, Any]:
    return {
        "audio_codec": audio.codec_context.codec.canonical_name,
        "audio_channels": audio.channels or None,
        "audio_layout": UNNAMED_LAYOUTS.get(audio.layout.name, audio.layout.name),
        "audio_sample_rate": audio.rate or None,
    }


def _build_picture_metadata(container: InputContainer, video: VideoStream) -> dict[str, Any]:
    crop = get_crop(container, video)
    return {
        "video_codec": video.codec_context.codec.canonical_name,
        "width": video.width - crop.left - crop.right or None,
        "height": video.height - crop.top - crop.bottom or None,
        "bit_depth": _find_bit_depth(video),
        "color_primaries": PRIMARIES.get(int(video.codec_context.color_primaries or 0)),
        "color_transfer": TRANSFERS.get(int(video.codec_context.color_trc or 0)),
        "hdr": TRANSFERS.get(int(video.codec_context.color_trc or 0)) in HDR_TRANSFERS,
    }


def _find_bit_depth(video: VideoStream) -> int | None:
    """Return the bits of a component; None if the container does not state the pixel format."""
    layout = video.codec_context.format
    return layout.components[0].bits if layout is not None and layout.components else None


def _build_motion_metadata(container: InputContainer, video: VideoStream) -> dict[str, Any]:
    rate = video.average_rate or video.guessed_rate
    first = _read_first_frames(container, video)
    return {
        "frame_rate": round(float(rate), 3) if rate else None,
        **_build_orientation_metadata(first.orientation),
        "variable_frame_rate": _is_variable(first, video.time_base),
    }


@dataclass
class _FirstFrames:
    """The properties of a film's first packets."""

    times: list[int] = field(default_factory=list)
    """The presentation times of the frames in ticks, in the order of storage."""
    complete_until: int | None = None
    """The time in ticks before which no frame is missing."""
    orientation: Orientation = field(default_factory=Orientation)
    """The orientation in which players show the frames."""


def _build_orientation_metadata(orientation: Orientation) -> dict[str, Any]:
    return {"rotation": orientation.rotation, "mirrored": orientation.is_mirrored}


def _decode_still(container: InputContainer, video: VideoStream) -> Orientation:
    """Decode a picture completely; raises ``PictureDamagedError`` if its data ends early."""
    if container.format.name == PHOTO:
        # Only JPEG needs this: other decoders report missing data anyway, or tolerate a missing
        # checksum, as they should.
        video.codec_context.options = {**video.codec_context.options, "err_detect": "explode"}
    try:
        for packet in container.demux(video):
            for frame in packet.decode():
                return get_orientation(frame)
    except (av.FFmpegError, IndexError) as exc:
        raise PictureDamagedError from exc
    raise PictureDamagedError


def _read_first_frames(container: InputContainer, video: VideoStream) -> _FirstFrames:
    """Read the first packets and decode the first frame, in one pass over the container."""
    first = _FirstFrames()
    is_orientation_known = False
    try:
        for packet in islice(container.demux(video), MAX_TIMED_PACKETS):
            if packet.pts is not None:
                first.times.append(packet.pts)
            # No frame is shown before it is decoded.
            first.complete_until = packet.dts if packet.dts is not None else first.complete_until
            if not is_orientation_known and (orientation := _find_orientation(packet)) is not None:
                first.orientation, is_orientation_known = orientation, True
    except (av.FFmpegError, IndexError):
        pass  # A job that decodes the file reports the damage.
    return first


def _find_orientation(packet: "Packet[VideoStream]") -> Orientation | None:
    """Return the orientation of the frame that the packet completes, or None if there is none."""
    try:
        frame = next(iter(packet.decode()), None)
    except av.FFmpegError:
        return Orientation()
    return None if frame is None else get_orientation(frame)


def _is_variable(first: _FirstFrames, tick: Fraction | None) -> bool | None:
    """Return True if the frame rate varies; None if there are too few frames to tell."""
    # At the end of reading, and after a cut without encoding, frames between others are missing.
    end = first.complete_until
    times = sorted(time for time in first.times if end is None or time <= end)
    gaps = [b - a for a, b in pairwise(times)]
    if tick is None or len(gaps) < MIN_GAPS:
        return None
    # Containers round times to their ticks.
    return max(gaps) - min(gaps) > max(2, MAX_JITTER * sum(gaps) / len(gaps))


def _measure_duration_ms(container: InputContainer, max_scan_seconds: float) -> int:
    # The headers of browsers' recordings and of some MP3 files contain no duration.
    duration = find_header_seconds(container) or _scan_duration(container, max_scan_seconds)
    if duration <= 0:
        raise UnsupportedMediaError
    duration_ms = round(duration * 1000)
    if duration_ms > MAX_DURATION_MS:
        raise MediaTooLongError
    if container.format.name in RESTARTING:
        _check_clock(container, max_scan_seconds)
    return max(1, duration_ms)


def _check_clock(container: InputContainer, max_scan_seconds: float) -> None:
    """Raise ``TimestampsRestartError`` if a clock restarts within a limited scan.

    Single damaged timestamps do not count: the clock must run on both sides of the step back.
    """
    give_up_at = time.monotonic() + max_scan_seconds
    clocks: dict[int, _Clock] = {}
    container.seek(0)
    for packet in read_packets(container, list(container.streams)):
        if packet.dts is not None and packet.time_base is not None:
            clock = clocks.setdefault(packet.stream_index, _Clock())
            clock.update(float(packet.dts * packet.time_base))
            if clock.has_restarted:
                raise TimestampsRestartError
        if time.monotonic() > give_up_at:
            return


@dataclass
class _Clock:
    """The clock of one stream, updated with the time of each packet."""

    at: float | None = None
    steady: int = 0
    """The number of consecutive packets without a jump."""
    is_behind: bool = False
    """True if the last jump went back, and the clock was steady before it."""

    def update(self, at: float) -> None:
        step = 0.0 if self.at is None else at - self.at
        if abs(step) <= MAX_STEP_SECONDS:
            self.steady += 1
        else:
            self.is_behind = step < 0 and self.steady >= STEADY_PACKETS
            self.steady = 0
        self.at = at

    @property
    def has_restarted(self) -> bool:
        return self.is_behind and self.steady >= STEADY_PACKETS


def _scan_duration(container: InputContainer, max_scan_seconds: float) -> Fraction:
    """Return the end of the last packet in seconds, by reading all packets.

    Raises ``DurationUnknownError`` if it takes long.
    """
    give_up_at = time.monotonic() + max_scan_seconds
    end = Fraction(0)
    container.seek(0)
    for packet in container.demux():
        if packet.pts is not None and packet.time_base is not None:
            end = max(end, (packet.pts + (packet.duration or 0)) * packet.time_base)
        if time.monotonic() > give_up_at:
            raise DurationUnknownError
    return end - Fraction(get_first_ticks(container), av.time_base)
