"""Decode frames of untrusted films at given times: upright, small, with square pixels, in SDR."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from typing import Any, cast

import av
import av.error
import numpy as np
from av.container import InputContainer
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream
from numpy.typing import NDArray

from gpu_tasks.mediakit import sizes
from gpu_tasks.mediakit.decoding import (
    crop_frame,
    find_alpha_decoder,
    get_crop,
    get_delay,
    is_too_large,
    is_transparent_format,
)
from gpu_tasks.mediakit.film import KNEE, PEAK_NITS, WHITE_NITS
from gpu_tasks.mediakit.orientation import get_orientation
from gpu_tasks.mediakit.seeking import SEEKABLE, find_entry, seek_to_entry
from media.limits import MAX_DECODED_PIXELS
from media.probing import find_picture_stream

MAX_STEP_SECONDS = 2.0
"""Times closer together are reached by decoding all frames, others by seeking."""
MAX_FRAMES_AFTER_SEEK = 60
"""Frames decoded after a key frame. If the requested one is later, the last of them is used."""
FALLBACK_RATE = Fraction(25)
HDR_TRANSFERS = {16: "PQ", 18: "HLG"}
"""Transfer functions of ITU-T H.273, table 3."""
HLG_GAMMA = 1.2
"""The system gamma of a display with a peak of 1000 nits (ITU-R BT.2100)."""
REC2020_LUMINANCE = np.array([0.2627, 0.6780, 0.0593])
SDR_GAMMA = 2.4
"""ITU-R BT.1886."""
REC2020_TO_709 = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]]
)
"""Conversion of linear light (ITU-R BT.2087)."""

Picture = NDArray[np.uint8]
"""An array of height × width × 3 (RGB) or × 4 (with alpha)."""
_DAMAGE = (av.error.FFmpegError, ValueError)


def iterate_pictures(
    container: InputContainer,
    seconds: Sequence[float],
    long_side: int,
    tick: Callable[[], None] = lambda: None,
) -> Iterator[Picture | None]:
    """Yield a picture for each of the ascending times, None if it does not decode.

    Yields nothing without a video stream. Times count from the beginning of the file's timeline.
    ``tick`` is called for each packet.
    """
    stream = _find_stream(container)
    if stream is None:
        return
    crop, delay = get_crop(container, stream), float(get_delay(container))
    seconds = [time - delay for time in seconds]
    decoder = prepare_decoder(stream)
    step = seconds[1] - seconds[0] if len(seconds) > 1 else 0.0
    pixels = max(1, stream.width * stream.height)
    count = (seconds[-1] + step) * float(stream.average_rate or FALLBACK_RATE)
    if step <= MAX_STEP_SECONDS and pixels * count <= MAX_DECODED_PIXELS:
        frames = _pick_frames(_decode_frames(container, stream, decoder, tick), seconds)
    else:
        share = MAX_DECODED_PIXELS // (pixels * len(seconds))
        max_frames = max(1, min(MAX_FRAMES_AFTER_SEEK, share))
        frames = _seek_frames(container, stream, decoder, seconds, tick, max_frames)
    for frame in frames:
        try:
            yield (
                None
                if frame is None
                else rotate_upright(crop_frame(frame, crop), stream, long_side)
            )
        except _DAMAGE:
            yield None


def find_picture(container: InputContainer, long_side: int) -> Picture | None:
    """Return the upright picture of a photo or drawing, or None if it does not decode."""
    still = find_still(container)
    if still is None:
        return None
    try:
        return rotate_upright(still.frame, still.stream, long_side)
    except _DAMAGE:
        return None


@dataclass(frozen=True)
class DecodedFrame:
    """A decoded and cropped frame, and its stream."""

    frame: av.VideoFrame
    stream: VideoStream


def find_still(container: InputContainer) -> DecodedFrame | None:
    """Return the frame of a photo or drawing, or None if it does not decode."""
    stream = _find_stream(container)
    if stream is None:
        return None
    decoder = prepare_decoder(stream)
    try:
        for packet in container.demux(stream):
            for frame in _decode_packet(decoder, packet):
                return DecodedFrame(frame, stream)
    except (*_DAMAGE, IndexError):
        pass
    return None


def decode_frame_at(container: InputContainer, seconds: float) -> DecodedFrame | None:
    """Return the exact frame that a film shows at a time, or its last frame after its end.

    Returns None if nothing decodes.
    """
    stream = _find_stream(container)
    if stream is None:
        return None
    decoder = prepare_decoder(stream)
    seconds -= float(get_delay(container))
    is_seekable = not SEEKABLE.isdisjoint(container.format.name.split(","))
    try:
        seek_to_entry(container, find_entry(container, stream, seconds) if is_seekable else None)
    except _DAMAGE:
        return None
    frame = next(_pick_frames(_decode_frames(container, stream, decoder, lambda: None), [seconds]))
    return (
        None
        if frame is None
        else DecodedFrame(crop_frame(frame, get_crop(container, stream)), stream)
    )


def _find_stream(container: InputContainer) -> VideoStream | None:
    """Return the stream of pictures, or None if there is none or its frames are too large."""
    stream = find_picture_stream(container)
    if stream is None or is_too_large(container, stream):
        return None
    return stream


def prepare_decoder(stream: VideoStream) -> VideoCodecContext:
    """Return a decoder without threads that refuses frames larger than the header may state."""
    context, name = stream.codec_context, find_alpha_decoder(stream)
    if name is not None:
        context = cast(VideoCodecContext, VideoCodecContext.create(name, "r"))
        context.extradata = stream.codec_context.extradata
    context.thread_type = "NONE"
    context.thread_count = 1
    # Decoders count the padding of frames, too.
    max_pixels = max(sizes.MAX_FRAME_PIXELS, stream.width * stream.height) * 9 // 8
    context.options = {**context.options, "max_pixels": str(max_pixels)}
    return context


def _pick_frames(
    timed_frames: Iterator[tuple[av.VideoFrame, float]], times: Sequence[float]
) -> Iterator[av.VideoFrame | None]:
    last, upcoming = None, next(timed_frames, None)
    for time in times:
        # The frame shown at a time is the last one that began at or before it.
        while upcoming is not None and (last is None or upcoming[1] <= time):
            last, upcoming = upcoming[0], next(timed_frames, None)
        yield last


def _seek_frames(
    container: InputContainer,
    stream: VideoStream,
    decoder: VideoCodecContext,
    times: Sequence[float],
    tick: Callable[[], None],
    max_frames: int,
) -> Iterator[av.VideoFrame | None]:
    """Yield frames by seeking, decoding at most ``max_frames`` after the key frame before each."""
    frame, frame_time = None, 0.0
    for time in times:
        # Without a key frame since the last seek, the frame from that seek is used again.
        key_frame = find_entry(container, stream, time, after=frame_time)
        if key_frame is not None or frame is None:
            try:
                seek_to_entry(container, key_frame)
                decoder.flush_buffers()
            except _DAMAGE:
                yield None
                continue
            timed_frames = islice(_decode_frames(container, stream, decoder, tick), max_frames)
            frame, frame_time = next(_pick_frames(timed_frames, [time])), time
        yield frame


def _decode_frames(
    container: InputContainer,
    stream: VideoStream,
    decoder: VideoCodecContext,
    tick: Callable[[], None],
) -> Iterator[tuple[av.VideoFrame, float]]:
    """Yield frames with their times, from the first key frame.

    Frames without a time follow the previous frame at the average rate.
    """
    step = float(1 / (stream.average_rate or FALLBACK_RATE))
    zero = (container.start_time or 0) / av.time_base
    time, is_entered = -step, False
    try:
        for packet in container.demux(stream):
            tick()
            is_entered = is_entered or packet.is_keyframe
            for frame in _decode_packet(decoder, packet) if is_entered else ():
                time = frame.time - zero if frame.time is not None else time + step
                yield frame, time
    except (*_DAMAGE, IndexError):
        return  # The frames before the damage are still used.


def _decode_packet(
    decoder: VideoCodecContext, packet: "av.Packet[VideoStream]"
) -> list[av.VideoFrame]:
    try:
        return decoder.decode(packet)
    except _DAMAGE:
        return []


def rotate_upright(frame: av.VideoFrame, stream: VideoStream, long_side: int) -> Picture:
    """Return a cropped frame as players show it, its longer side at most ``long_side``."""
    aspect = float(stream.sample_aspect_ratio or 1) or 1.0
    width, height = frame.width * aspect, float(frame.height)
    shrink = min(1.0, long_side / max(width, height))
    size = {"width": _round_to_even(width * shrink), "height": _round_to_even(height * shrink)}
    picture = convert_frame(frame, **size)
    if is_transparent_format(frame.format):
        rgba = picture.astype(np.uint16)
        picture = (rgba[..., :3] * rgba[..., 3:] // 255).astype(np.uint8)  # Composited over black.
    return get_orientation(frame).apply(picture)


def convert_frame(frame: av.VideoFrame, *, width: int, height: int, **colours: Any) -> Picture:
    """Return the frame in another size, not rotated, in standard range, with alpha if it has some.

    ``colours`` are keyword arguments of PyAV's `reformat`.
    """
    size = {"width": width, "height": height, **colours}
    transfer = int(frame.color_trc or 0)
    if transfer in HDR_TRANSFERS and not is_transparent_format(frame.format):
        signal = np.asarray(frame.reformat(format="rgb48le", **size).to_ndarray(), np.float64)
        return to_standard_range(signal / 65535.0, transfer)
    pixel_format = "rgba" if is_transparent_format(frame.format) else "rgb24"
    return np.asarray(frame.reformat(format=pixel_format, **size).to_ndarray(), np.uint8)


def to_standard_range(signal: NDArray[np.float64], transfer: int) -> Picture:
    """Convert HDR to Rec. 709 with the curve of `gpu_tasks.mediakit.film.TO_SDR`."""
    light = np.maximum(_decode_transfer(signal, transfer) @ REC2020_TO_709.T, 0.0)
    peak = np.maximum(light.max(axis=-1, keepdims=True), 1e-6)
    compressed = np.clip(light * _compress_highlights(peak) / peak, 0, 1)
    return np.asarray(compressed ** (1 / SDR_GAMMA) * 255 + 0.5, dtype=np.uint8)


def _compress_highlights(light: NDArray[np.float64]) -> NDArray[np.float64]:
    """Apply the Möbius transform that is smooth at the knee and maps the peak to 1."""
    above = np.maximum(light - KNEE, 0.0)
    bend = 1 / (1 - KNEE) - 1 / (PEAK_NITS / WHITE_NITS - KNEE)
    return np.minimum(light, KNEE) + above / (1 + bend * above)


def _decode_transfer(signal: NDArray[np.float64], transfer: int) -> NDArray[np.float64]:
    """Return linear light with diffuse white 1, from SMPTE ST 2084 or ARIB STD-B67 (1000 nits)."""
    if HDR_TRANSFERS[transfer] == "PQ":
        root = np.power(signal, 1 / 78.84375)
        nits = 10_000 * np.power(
            np.maximum(root - 0.8359375, 0) / (18.8515625 - 18.6875 * root), 1 / 0.1593017578125
        )
        return np.asarray(nits / WHITE_NITS)
    scene = np.where(
        signal <= 0.5, signal**2 / 3, (np.exp((signal - 0.55991073) / 0.17883277) + 0.28466892) / 12
    )
    luminance = (scene @ REC2020_LUMINANCE)[..., None]
    return np.asarray(1000 / WHITE_NITS * scene * luminance ** (HLG_GAMMA - 1))


def _round_to_even(side: float) -> int:
    # 4:2:0 halves both sides.
    return max(2, round(side / 2) * 2)
