"""What a file is, read from its container; nothing is decoded but a video's first frame.

Only for the sandbox (`media.inspection`): it takes what FFmpeg takes to open a file.
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
    crop_of,
    find_audio_stream,
    first_ticks,
    header_seconds,
    is_too_large,
    open_media,
    packets,
)
from gpu_tasks.mediakit.headers import read_headers
from gpu_tasks.mediakit.orientation import Orientation, orientation_of
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
"""Frames whose times are compared."""
MIN_GAPS = 4
MAX_JITTER = 0.2
"""Of a frame's length: what screens and clocks make of a constant rate."""

TIMECODE = re.compile(r"([01]\d|2[0-3]):[0-5]\d:[0-5]\d[:;]\d\d", re.ASCII)
MAX_TAGGED_STREAMS = 32
"""Streams in which a timecode is looked for."""

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
"""Formats of broadcasts and discs: their clocks may start again."""
MAX_STEP_SECONDS = 1
"""Between two packets of a stream; more is a jump."""
STEADY_PACKETS = 10
"""Without a jump, before and behind a step back: then the clock has started again."""
PICTURES = ("JPEG", "PNG", "WEBP")
"""Pillow's names of what it may say something of that FFmpeg does not."""
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
"""Of archives, documents and programs. FFmpeg would find a film that lies in one as it is."""
MAX_BEGINNING = max(map(len, FOREIGN_BEGINNINGS))

Image.MAX_IMAGE_PIXELS = MAX_DECODED_PIXELS
"""Pillow warns of more, and refuses twice as many."""


def probe_as_json(source: BinaryIO) -> dict[str, Any]:
    """What ``probe`` finds, in plain values: for the sandbox."""
    return asdict(probe(source))


def probe(source: str | BinaryIO, *, max_scan_seconds: float = MAX_SCAN_SECONDS) -> Probe:
    """Read the container at a path, or of an open file.

    Raises ``InputRefusedError``, as the classes above.
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
        if heif.format_of(beginning) is not None:
            return _probe_heif(source)
        with open_media(source) as container:
            found = _probe(container, max_scan_seconds)
    except (EngineError, av.FFmpegError, UnsupportedMediaError) as exc:
        raise _refusal_of(source) from exc
    if found.metadata["container"] == GIF:
        _check_gif(source)
    return found


def _check_gif(source: BinaryIO) -> None:
    """Raise ``PictureDamagedError`` where the first picture ends early: FFmpeg does not tell."""
    source.seek(0)
    try:
        with Image.open(source, formats=["GIF"]) as picture:
            picture.load()
    except (OSError, ValueError, SyntaxError, struct.error, IndexError) as exc:
        raise PictureDamagedError from exc


def _probe_heif(source: BinaryIO) -> Probe:
    """Read a HEIC or AVIF picture: its size before it is decoded."""
    try:
        header = heif.read_header(source)
        if header.is_sequence:
            raise AnimatedPictureError
        if header.is_too_large:
            detail = f"Pictures in {header.format.upper()} may have "
            detail += f"{heif.MAX_PIXELS[header.format] // 1_000_000} million pixels."
            raise PictureTooLargeError(detail=detail)
        with open_media(source) as container:
            probe = _probe(container, MAX_SCAN_SECONDS)
    except EngineError as exc:
        raise PictureDamagedError from exc
    facts = {
        "container": header.format,
        "video_codec": header.codec,
        "width": header.width,
        "height": header.height,
        "bit_depth": header.bit_depth,
    }
    return replace(probe, metadata=probe.metadata | facts)


def _refusal_of(source: BinaryIO) -> InputRefusedError:
    """Why a file cannot be read: FFmpeg does not tell what is wrong with a picture."""
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


def _probe(container: InputContainer, max_scan_seconds: float) -> Probe:
    video, audio = find_picture_stream(container), _sound(container)
    if video is None and audio is None:
        raise UnsupportedMediaError
    metadata: dict[str, Any] = {"container": container.format.name, "has_audio": audio is not None}
    if audio is not None:
        metadata |= _sound_facts(audio)
    if video is not None:
        if is_too_large(container, video):
            raise PictureTooLargeError
        metadata |= _picture_facts(container, video)
        if _is_still(container):
            return Probe(
                IMAGE, None, metadata | _orientation_facts(_decode_still(container, video))
            )
        metadata |= _motion_facts(container, video)
    if timecode := _start_timecode(container, video):
        metadata["start_timecode"] = timecode
    return Probe(
        type=AUDIO if video is None else VIDEO,
        duration_ms=_duration_ms(container, max_scan_seconds),
        metadata=metadata,
    )


def _start_timecode(container: InputContainer, video: VideoStream | None) -> str | None:
    """Return the timecode of the first frame, as the camera has counted; `;` is drop-frame."""
    of_video = [video.metadata] if video is not None else []
    of_streams = (stream.metadata for stream in islice(container.streams, MAX_TAGGED_STREAMS))
    for metadata in (*of_video, container.metadata, *of_streams):
        # Matroska writes names in capitals.
        tags = {name.lower(): text for name, text in metadata.items()}
        if TIMECODE.fullmatch(text := tags.get("timecode", "")):
            return text
    return None


def _is_still(container: InputContainer) -> bool:
    name = container.format.name
    return name.endswith("_pipe") or name == GIF


def find_picture_stream(container: InputContainer) -> VideoStream | None:
    """The stream of pictures, if there is one; the cover of a song is none."""
    # The cover of a song is a video stream to FFmpeg, and none to us.
    cover = av.stream.Disposition.attached_pic
    streams = (stream for stream in container.streams.video if not stream.disposition & cover)
    return next((one for one in streams if _is_real(one, "width", "height")), None)


def _sound(container: InputContainer) -> AudioStream | None:
    real = (one for one in container.streams.audio if _is_real(one, "rate", "channels"))
    return find_audio_stream(container) or next(real, None)


def _is_real(stream: VideoStream | AudioStream, *facts: str) -> bool:
    # FFmpeg guesses at headerless formats by the file's name, so a stream without facts counts only
    # if its container lists frames: then it is in order, even if it does not decode.
    if stream.codec_context is None:
        return False  # an unknown codec
    return stream.frames > 0 or all(getattr(stream, fact) for fact in facts)


def _sound_facts(audio: AudioStream) -> dict[str, Any]:
    return {
        "audio_codec": audio.codec_context.codec.canonical_name,
        "audio_channels": audio.channels or None,
        "audio_layout": UNNAMED_LAYOUTS.get(audio.layout.name, audio.layout.name),
        "audio_sample_rate": audio.rate or None,
    }


def _picture_facts(container: InputContainer, video: VideoStream) -> dict[str, Any]:
    crop = crop_of(container, video)
    return {
        "video_codec": video.codec_context.codec.canonical_name,
        "width": video.width - crop.left - crop.right or None,
        "height": video.height - crop.top - crop.bottom or None,
        "bit_depth": _bit_depth(video),
        "color_primaries": PRIMARIES.get(int(video.codec_context.color_primaries or 0)),
        "color_transfer": TRANSFERS.get(int(video.codec_context.color_trc or 0)),
        "hdr": TRANSFERS.get(int(video.codec_context.color_trc or 0)) in HDR_TRANSFERS,
    }


def _bit_depth(video: VideoStream) -> int | None:
    """Bits of one component; None where the container does not tell how pixels are stored."""
    layout = video.codec_context.format
    return layout.components[0].bits if layout is not None and layout.components else None


def _motion_facts(container: InputContainer, video: VideoStream) -> dict[str, Any]:
    rate = video.average_rate or video.guessed_rate
    first = _first_frames(container, video)
    return {
        "frame_rate": round(float(rate), 3) if rate else None,
        **_orientation_facts(first.orientation),
        "variable_frame_rate": _is_variable(first, video.time_base),
    }


@dataclass
class _FirstFrames:
    """What a film's first packets tell."""

    times: list[int] = field(default_factory=list)
    """When they are shown, in ticks, in the order in which they are stored."""
    whole_until: int | None = None
    """No frame that is shown before this is missing, in ticks."""
    orientation: Orientation = field(default_factory=Orientation)
    """How players turn the frames that are stored."""


def _orientation_facts(orientation: Orientation) -> dict[str, Any]:
    return {"rotation": orientation.rotation, "mirrored": orientation.is_mirrored}


def _decode_still(container: InputContainer, video: VideoStream) -> Orientation:
    """Decode a picture as a whole; raises ``PictureDamagedError`` where its data ends early."""
    if container.format.name == PHOTO:
        # Other decoders report missing data by themselves, or forgive a missing checksum.
        video.codec_context.options = {**video.codec_context.options, "err_detect": "explode"}
    try:
        for packet in container.demux(video):
            for frame in packet.decode():
                return orientation_of(frame)
    except (av.FFmpegError, IndexError) as exc:
        raise PictureDamagedError from exc
    raise PictureDamagedError


def _first_frames(container: InputContainer, video: VideoStream) -> _FirstFrames:
    """Read on, once, and decode until there is a frame: what has been read does not come again."""
    found = _FirstFrames()
    is_turn_known = False
    try:
        for packet in islice(container.demux(video), MAX_TIMED_PACKETS):
            if packet.pts is not None:
                found.times.append(packet.pts)
            # No frame is shown before it is decoded.
            found.whole_until = packet.dts if packet.dts is not None else found.whole_until
            if not is_turn_known and (orientation := _orientation(packet)) is not None:
                found.orientation, is_turn_known = orientation, True
    except (av.FFmpegError, IndexError):
        pass  # damage is for its job to find out
    return found


def _orientation(packet: "Packet[VideoStream]") -> Orientation | None:
    """Return that of the frame that the packet completes, if it does; none if it is damaged."""
    try:
        frame = next(iter(packet.decode()), None)
    except av.FFmpegError:
        return Orientation()
    return None if frame is None else orientation_of(frame)


def _is_variable(first: _FirstFrames, tick: Fraction | None) -> bool | None:
    """Whether the frames are unequally long; None where there are too few to tell."""
    # Where reading ended, or a cut without coding, frames lack that are shown between others.
    end = first.whole_until
    times = sorted(time for time in first.times if end is None or time <= end)
    gaps = [b - a for a, b in pairwise(times)]
    if tick is None or len(gaps) < MIN_GAPS:
        return None
    # Containers round times to their ticks.
    return max(gaps) - min(gaps) > max(2, MAX_JITTER * sum(gaps) / len(gaps))


def _duration_ms(container: InputContainer, max_scan_seconds: float) -> int:
    # What a browser records has no duration in its header, nor has an MP3 that it can be told by.
    duration = header_seconds(container) or _scanned_duration(container, max_scan_seconds)
    if duration <= 0:
        raise UnsupportedMediaError
    duration_ms = round(duration * 1000)
    if duration_ms > MAX_DURATION_MS:
        raise MediaTooLongError
    if container.format.name in RESTARTING:
        _check_clock(container, max_scan_seconds)
    return max(1, duration_ms)


def _check_clock(container: InputContainer, max_scan_seconds: float) -> None:
    """Read on for a while; raises ``TimestampsRestartError``.

    Single times that are damaged do not count: the clock runs on both sides of the step back.
    """
    give_up_at = time.monotonic() + max_scan_seconds
    clocks: dict[int, _Clock] = {}
    container.seek(0)
    for packet in packets(container, list(container.streams)):
        if packet.dts is not None and packet.time_base is not None:
            clock = clocks.setdefault(packet.stream_index, _Clock())
            clock.read(float(packet.dts * packet.time_base))
            if clock.has_restarted:
                raise TimestampsRestartError
        if time.monotonic() > give_up_at:
            return


@dataclass
class _Clock:
    """The times of one stream, as they follow each other."""

    at: float | None = None
    steady: int = 0
    """So many packets have followed each other in time."""
    is_behind: bool = False
    """The last step was one back, and before it the clock ran."""

    def read(self, at: float) -> None:
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


def _scanned_duration(container: InputContainer, max_scan_seconds: float) -> Fraction:
    """To the end of the last packet, in seconds.

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
    return end - Fraction(first_ticks(container), av.time_base)
