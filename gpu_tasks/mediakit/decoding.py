"""Opening of untrusted media: only containers that hold all their data in the file itself.

FFmpeg also reads playlists, manifests, session descriptions, file name patterns and devices. Such
an "input" can make it open other files of this machine or send requests into our network. So only
listed formats may be opened; everything else is refused before it is parsed.
"""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO, TypeVar, cast

import av
import av.error
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.format import VideoFormat
from av.video.stream import VideoStream

from gpu_tasks.mediakit import heif, sizes
from gpu_tasks.mediakit.headers import Crop, get_headers, read_headers
from gpu_tasks.mediakit.orientation import filter_frame, get_orientation
from gpu_tasks.runtime.errors import EngineError, ErrorCode

_FORMATS = {
    "moving pictures with sound": "mov matroska avi asf flv mpeg mpegts mxf gxf nut rm wtv dv",
    "moving pictures alone": "mpegvideo m4v h264 hevc obu ivf mjpeg",
    "sound alone": (
        "wav w64 aiff caf au flac mp3 aac loas ogg ac3 eac3 truehd mlp dts dtshd amr ape wv "
        "tta tak mpc mpc8 shn voc iff sox dsf xwma oma ircam nistsphere qcp"
    ),
    "single pictures": "jpeg_pipe png_pipe webp_pipe gif",
}
DEMUXERS = tuple(" ".join(_FORMATS.values()).split())
FILE_PROTOCOLS = ("file",)
URL_PROTOCOLS = ("https", "http", "tls", "tcp")
URL_TIMEOUT_SECONDS = (10, 30)
WITHOUT_DURATION = frozenset({"aac", "ac3", "dts", "eac3", "loas", "mlp", "mp3", "truehd"})
"""Formats whose duration FFmpeg guesses from the bit rate of their beginning."""
LONGEST_SECONDS = 48 * 3600
"""Later time stamps count as damage, and longer durations as unknown."""
MATROSKA = "matroska"
PRIMING_SECONDS = 0.1
"""How far from zero sound may begin because of a codec's priming samples."""
TOLERANCE_SECONDS = 1
"""How much longer than its header says a file may last: containers round, and sound is padded."""
TOO_LONG = "The file lasts longer than it says."
"""Prices are computed from headers. Longer files are refused, not cut: half a result is useless."""
JPEG_START = b"\xff\xd8\xff"
JPEG_NAMES = frozenset({".jpg", ".jpeg"})

HALF_SIZE = "1"
"""FFmpeg's `lowres`: larger JPEGs are decoded at half of their sides, in a third of the memory."""

PHOTO = "jpeg_pipe"
STILL = frozenset({PHOTO, "png_pipe", "webp_pipe"})
HD_LINES = 720
"""Pictures without a colour space count as Rec. 709 from this many lines on."""
EBML_START = b"\x1a\x45\xdf\xa3"
"""Matroska, and WebM."""
MP4_STARTS = frozenset({b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot"})
"""The first boxes of MP4 and QuickTime files."""
ALPHA_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
"""Decoders that keep alpha. FFmpeg's own decoders drop it."""
PALETTE = "pal8"

NOT_MEDIA = "The file is not an audio or video file that we can read."
Kind = TypeVar("Kind", bound=Stream)
_UNREACHABLE = (av.error.HTTPClientError, av.error.HTTPError, OSError)


def open_media(path_or_url: Path | str | BinaryIO) -> InputContainer:
    """Open a container of a listed format, to be closed by the caller; a file's name matters.

    A HEIC or AVIF picture is decoded here, and the container is that of a PNG. Raises
    ``EngineError``: INPUT_INVALID for anything else, STORAGE_ERROR if the file or URL could not be
    read at all.
    """
    if not isinstance(path_or_url, Path | str):
        return _open_file(path_or_url)
    if str(path_or_url).startswith(("https://", "http://")):
        return _open_url(str(path_or_url))
    try:
        demuxer = find_demuxer(Path(path_or_url))
        with Path(path_or_url).open("rb") as file:
            if heif.find_format(file.read(heif.BEGINNING_BYTES)) is not None:
                return _open_file(file)
    except OSError as exc:
        raise EngineError(ErrorCode.STORAGE_ERROR) from exc
    try:
        # The prefix prevents that a path with a colon is read as a protocol.
        return _open_container(f"file:{path_or_url}", FILE_PROTOCOLS, timeout=None, demuxer=demuxer)
    except av.error.FFmpegError as exc:  # damage can look like any error, "not permitted" too
        raise EngineError(ErrorCode.INPUT_INVALID, NOT_MEDIA) from exc


def find_header_seconds(container: InputContainer) -> Fraction | None:
    """Return a file's duration according to its header; None if unknown or nonsense."""
    if container.format.name in WITHOUT_DURATION:
        return None
    ticks = container.duration or 0
    if ticks > 0 and MATROSKA in container.format.name:
        ticks -= min(0, get_first_ticks(container))  # its header holds the end
    seconds = Fraction(ticks, av.time_base)
    if get_delay(container) > 0:  # FFmpeg may or may not subtract the empty edit
        seconds = get_headers(container).seconds or seconds
    return seconds if 0 < seconds <= LONGEST_SECONDS else None


def get_first_ticks(container: InputContainer) -> int:
    """Return when a file begins, in units of ``av.time_base``, without priming samples."""
    start = container.start_time or 0
    return 0 if abs(start) <= PRIMING_SECONDS * av.time_base else start


def get_delay(container: InputContainer) -> Fraction:
    """Return the seconds by which all of a file begins after its timeline: an empty edit.

    FFmpeg takes the first time stamp for the beginning; players show and play it that much later.
    """
    start = Fraction(container.start_time or 0, av.time_base)
    is_mp4 = "mp4" in container.format.name.split(",")
    return start if start > 0 and is_mp4 and get_headers(container).begins_empty else Fraction(0)


def get_crop(container: InputContainer, stream: VideoStream) -> Crop:
    """Return the stored pixels that the container says are not shown."""
    crops = get_headers(container).crops
    index = container.streams.video.index(stream)
    crop = crops[index] if index < len(crops) else Crop()
    is_within = crop.left + crop.right < stream.width and crop.top + crop.bottom < stream.height
    return crop if is_within else Crop()


def crop_frame(frame: av.VideoFrame, crop: Crop) -> av.VideoFrame:
    """Return the part of a frame that is shown."""
    width = frame.width - crop.left - crop.right
    height = frame.height - crop.top - crop.bottom
    if (width, height) == (frame.width, frame.height):
        return frame
    size = f"w={width}:h={height}:x={crop.left}:y={crop.top}"
    return filter_frame(frame, [("crop", size)])


def get_display_size(
    container: InputContainer, stream: VideoStream, frame: av.VideoFrame
) -> tuple[Fraction, Fraction]:
    """Return width and height of a frame as players show it: cropped, square pixels, upright."""
    crop = get_crop(container, stream)
    aspect = Fraction(stream.sample_aspect_ratio or 1) or Fraction(1)
    width = (frame.width - crop.left - crop.right) * aspect
    height = Fraction(frame.height - crop.top - crop.bottom)
    return (height, width) if get_orientation(frame).swaps_sides else (width, height)


def get_zero(container: InputContainer) -> float:
    """Return the time stamp, in seconds, that is the beginning of the file's timeline."""
    return (container.start_time or 0) / av.time_base - float(get_delay(container))


def find_audio_stream(container: InputContainer) -> AudioStream | None:
    """Return the sound that players play: the first default stream, else FFmpeg's best.

    None if no stream has a known codec, channels and rate.
    """
    candidates = [
        stream
        for stream in container.streams.audio
        if stream.codec_context is not None and stream.channels and stream.rate
    ]
    default = next(
        (stream for stream in candidates if stream.disposition & av.stream.Disposition.default),
        None,
    )
    best = container.streams.best("audio") if candidates else None
    return default or next((stream for stream in candidates if stream is best), None)


def find_alpha_decoder(stream: VideoStream) -> str | None:
    """Return the decoder for pictures whose alpha is stored apart; None for others."""
    if stream.codec_context is None or stream.metadata.get("alpha_mode") != "1":
        return None
    return ALPHA_DECODERS.get(stream.codec_context.codec.canonical_name)


def has_alpha(stream: VideoStream) -> bool:
    """Return whether the pictures may have transparency."""
    return is_transparent_format(stream.format) or find_alpha_decoder(stream) is not None


def is_transparent_format(form: VideoFormat | None) -> bool:
    """Return whether a pixel format may have transparency; palettes may."""
    return form is not None and (
        form.name == PALETTE or any(component.is_alpha for component in form.components)
    )


def is_bt709(frame: av.VideoFrame) -> bool:
    """Return whether a frame without a colour space counts as Rec. 709."""
    return int(frame.colorspace or 2) == 2 and frame.height >= HD_LINES


def is_too_large(container: InputContainer, stream: VideoStream) -> bool:
    """Return whether the pictures have more pixels than allowed."""
    is_photo = container.format.name == PHOTO
    limit = sizes.MAX_DECODED_PIXELS if is_photo else sizes.MAX_FRAME_PIXELS
    return stream.width * stream.height > limit


def get_decoding_options(path: Path) -> list[str]:
    """Return FFmpeg's options for decoding a file, to stand before its name."""
    with path.open("rb") as file:
        beginning = file.read(8)
        is_mp4 = beginning[4:] in MP4_STARTS
        if is_mp4 and not read_headers(file).begins_empty:
            return []
    if not (is_mp4 or beginning.startswith((EBML_START, JPEG_START))):
        return []
    options: list[str] = []
    with open_media(path) as container:
        if delay := get_delay(container):
            options += ["-itsoffset", f"{float(delay):.6f}"]
        for stream in container.streams.video:
            decoder = find_alpha_decoder(stream)
            options += [f"-c:{stream.index}", decoder] if decoder else []
            options += ["-lowres", HALF_SIZE] if _is_halved(container, stream) else []
    return options


def _is_halved(container: InputContainer, stream: VideoStream) -> bool:
    is_photo = container.format.name == PHOTO
    return is_photo and stream.width * stream.height > sizes.MAX_FRAME_PIXELS


def read_packets(container: InputContainer, streams: Sequence[Kind]) -> Iterator["Packet[Kind]"]:
    """Yield the packets of some streams, as far as they can be read."""
    reading = True
    while reading:
        reading = False
        try:
            yield from cast("Iterator[Packet[Kind]]", container.demux(*streams))
        except IndexError:
            reading = True  # a packet of an undeclared stream, which PyAV does not know
        except (av.error.FFmpegError, ValueError):
            return  # packets before the damage still count


def find_demuxer(path: Path) -> str | None:
    """Return the demuxer to name for a file, or None if FFmpeg finds the right one.

    FFmpeg takes files with usual JPEG names for one of a series of files, which is not allowed.
    """
    with path.open("rb") as file:
        return _find_demuxer(file, path.suffix)


def _find_demuxer(file: BinaryIO, suffix: str) -> str | None:
    is_jpeg = file.read(len(JPEG_START)) == JPEG_START
    return PHOTO if is_jpeg and suffix.lower() in JPEG_NAMES else None


def _open_file(file: BinaryIO) -> InputContainer:
    file.seek(0)
    if heif.find_format(file.read(heif.BEGINNING_BYTES)) is not None:
        return _open_container(heif.convert_to_png(file), (), timeout=None, demuxer="png_pipe")
    file.seek(0)
    demuxer = _find_demuxer(file, Path(file.name).suffix)
    file.seek(0)
    try:
        return _open_container(file, (), timeout=None, demuxer=demuxer)
    except av.error.FFmpegError as exc:
        raise EngineError(ErrorCode.INPUT_INVALID, NOT_MEDIA) from exc


def _open_url(url: str) -> InputContainer:
    try:
        return _open_container(url, URL_PROTOCOLS, timeout=URL_TIMEOUT_SECONDS)
    except _UNREACHABLE as exc:
        raise EngineError(ErrorCode.STORAGE_ERROR) from exc
    except av.error.FFmpegError as exc:
        raise EngineError(ErrorCode.INPUT_INVALID, NOT_MEDIA) from exc


def _open_container(
    source: str | BinaryIO,
    protocols: tuple[str, ...],
    timeout: tuple[int, int] | None,
    demuxer: str | None = None,
) -> InputContainer:
    container = av.open(
        source,
        mode="r",
        format=demuxer,
        options={
            "format_whitelist": ",".join(DEMUXERS),
            "protocol_whitelist": ",".join(protocols),
            # FFmpeg decodes some frames itself when the header lacks properties.
            "max_pixels": str(sizes.MAX_DECODED_PIXELS),
        },
        metadata_errors="replace",  # tags come in any encoding
        timeout=timeout,
    )
    for stream in container.streams.video:
        if _is_halved(container, stream):
            stream.codec_context.options = {"lowres": HALF_SIZE}
    return container
