"""Frames of untrusted films at given times: upright, small, in square pixels and standard range."""

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
    alpha_decoder,
    crop_of,
    cropped,
    delay_of,
    is_clear,
    is_too_large,
)
from gpu_tasks.mediakit.film import KNEE, PEAK_NITS, WHITE_NITS
from gpu_tasks.mediakit.orientation import orientation_of
from gpu_tasks.mediakit.seeking import SEEKABLE, enter, entry
from media.limits import MAX_DECODED_PIXELS
from media.probing import find_picture_stream

MAX_STEP_SECONDS = 2.0
"""Times closer together are reached by decoding on, others by seeking."""
MAX_FRAMES_AFTER_SEEK = 60
"""Decoded from the key frame on; where the wanted one lies further, an earlier one has to do."""
FALLBACK_RATE = Fraction(25)
HDR_TRANSFERS = {16: "PQ", 18: "HLG"}
"""Transfer functions of ITU-T H.273, table 3."""
HLG_GAMMA = 1.2
"""Of a system with a peak of 1000 nits (ITU-R BT.2100)."""
REC2020_LUMINANCE = np.array([0.2627, 0.6780, 0.0593])
SDR_GAMMA = 2.4
"""ITU-R BT.1886."""
REC2020_TO_709 = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]]
)
"""Linear light (ITU-R BT.2087)."""

Picture = NDArray[np.uint8]
"""Height × width × 3, RGB; with alpha × 4."""
_DAMAGE = (av.error.FFmpegError, ValueError)


def pictures_at(
    container: InputContainer,
    seconds: Sequence[float],
    long_side: int,
    tick: Callable[[], None] = lambda: None,
) -> Iterator[Picture | None]:
    """Yield one for each of the ascending times, None where nothing decodes; none without a stream.

    Times count from the beginning of the file's timeline. ``tick`` is called for each packet.
    """
    stream = _stream_of(container)
    if stream is None:
        return
    crop, delay = crop_of(container, stream), float(delay_of(container))
    seconds = [time - delay for time in seconds]
    decoder = prepare(stream)
    step = seconds[1] - seconds[0] if len(seconds) > 1 else 0.0
    pixels = max(1, stream.width * stream.height)
    count = (seconds[-1] + step) * float(stream.average_rate or FALLBACK_RATE)
    if step <= MAX_STEP_SECONDS and pixels * count <= MAX_DECODED_PIXELS:
        found = _in_passing(_decoded(container, stream, decoder, tick), seconds)
    else:
        share = MAX_DECODED_PIXELS // (pixels * len(seconds))
        most = max(1, min(MAX_FRAMES_AFTER_SEEK, share))
        found = _by_seeking(container, stream, decoder, seconds, tick, most)
    for frame in found:
        try:
            yield None if frame is None else rotate_upright(cropped(frame, crop), stream, long_side)
        except _DAMAGE:
            yield None


def find_picture(container: InputContainer, long_side: int) -> Picture | None:
    """The one of a photo or drawing, None where it does not decode."""
    found = find_still(container)
    if found is None:
        return None
    try:
        return rotate_upright(found.frame, found.stream, long_side)
    except _DAMAGE:
        return None


@dataclass(frozen=True)
class DecodedFrame:
    """A frame as it was decoded, cropped."""

    frame: av.VideoFrame
    stream: VideoStream


def find_still(container: InputContainer) -> DecodedFrame | None:
    """The one of a photo or drawing, None where it does not decode."""
    stream = _stream_of(container)
    if stream is None:
        return None
    decoder = prepare(stream)
    try:
        for packet in container.demux(stream):
            for frame in _frames_of(decoder, packet):
                return DecodedFrame(frame, stream)
    except (*_DAMAGE, IndexError):
        pass
    return None


def frame_at(container: InputContainer, seconds: float) -> DecodedFrame | None:
    """What a film shows at a time from its start, exactly; at and behind its end its last frame.

    None where nothing decodes.
    """
    stream = _stream_of(container)
    if stream is None:
        return None
    decoder = prepare(stream)
    seconds -= float(delay_of(container))
    is_seekable = not SEEKABLE.isdisjoint(container.format.name.split(","))
    try:
        enter(container, entry(container, stream, seconds) if is_seekable else None)
    except _DAMAGE:
        return None
    frame = next(_in_passing(_decoded(container, stream, decoder, lambda: None), [seconds]))
    return (
        None if frame is None else DecodedFrame(cropped(frame, crop_of(container, stream)), stream)
    )


def _stream_of(container: InputContainer) -> VideoStream | None:
    """The pictures; None where there are none, or too large ones."""
    stream = find_picture_stream(container)
    if stream is None or is_too_large(container, stream):
        return None
    return stream


def prepare(stream: VideoStream) -> VideoCodecContext:
    """What decodes them: one frame at a time, and none larger than its header may say."""
    context, name = stream.codec_context, alpha_decoder(stream)
    if name is not None:
        context = cast(VideoCodecContext, VideoCodecContext.create(name, "r"))
        context.extradata = stream.codec_context.extradata
    context.thread_type = "NONE"
    context.thread_count = 1
    # Decoders count their margins in.
    most = max(sizes.MAX_FRAME_PIXELS, stream.width * stream.height) * 9 // 8
    context.options = {**context.options, "max_pixels": str(most)}
    return context


def _in_passing(
    decoded: Iterator[tuple[av.VideoFrame, float]], times: Sequence[float]
) -> Iterator[av.VideoFrame | None]:
    last, ahead = None, next(decoded, None)
    for time in times:
        # The frame shown at a time is the last that began by then.
        while ahead is not None and (last is None or ahead[1] <= time):
            last, ahead = ahead[0], next(decoded, None)
        yield last


def _by_seeking(
    container: InputContainer,
    stream: VideoStream,
    decoder: VideoCodecContext,
    times: Sequence[float],
    tick: Callable[[], None],
    most: int,
) -> Iterator[av.VideoFrame | None]:
    """Decode at most so many frames from the key frame before each time on."""
    shown, shown_at = None, 0.0
    for time in times:
        # Where no key frame has come since, what was shown then has to do.
        begin = entry(container, stream, time, after=shown_at)
        if begin is not None or shown is None:
            try:
                enter(container, begin)
                decoder.flush_buffers()
            except _DAMAGE:
                yield None
                continue
            after = islice(_decoded(container, stream, decoder, tick), most)
            shown, shown_at = next(_in_passing(after, [time])), time
        yield shown


def _decoded(
    container: InputContainer,
    stream: VideoStream,
    decoder: VideoCodecContext,
    tick: Callable[[], None],
) -> Iterator[tuple[av.VideoFrame, float]]:
    """Frames with their times, from the first key frame on.

    Those without a time follow the frame before at the usual rate.
    """
    step = float(1 / (stream.average_rate or FALLBACK_RATE))
    zero = (container.start_time or 0) / av.time_base
    time, is_entered = -step, False
    try:
        for packet in container.demux(stream):
            tick()
            is_entered = is_entered or packet.is_keyframe
            for frame in _frames_of(decoder, packet) if is_entered else ():
                time = frame.time - zero if frame.time is not None else time + step
                yield frame, time
    except (*_DAMAGE, IndexError):
        return  # what could be read before the container broke off still counts


def _frames_of(decoder: VideoCodecContext, packet: "av.Packet[VideoStream]") -> list[av.VideoFrame]:
    try:
        return decoder.decode(packet)
    except _DAMAGE:
        return []


def rotate_upright(frame: av.VideoFrame, stream: VideoStream, long_side: int) -> Picture:
    """Return a cropped frame as players show it, its longer side at most ``long_side``."""
    aspect = float(stream.sample_aspect_ratio or 1) or 1.0
    width, height = frame.width * aspect, float(frame.height)
    shrink = min(1.0, long_side / max(width, height))
    size = {"width": _even(width * shrink), "height": _even(height * shrink)}
    picture = convert_frame(frame, **size)
    if is_clear(frame.format):
        clear = picture.astype(np.uint16)
        picture = (clear[..., :3] * clear[..., 3:] // 255).astype(np.uint8)  # over black
    return orientation_of(frame).apply(picture)


def convert_frame(frame: av.VideoFrame, *, width: int, height: int, **colours: Any) -> Picture:
    """The frame in another size, as it lies: in standard range, with alpha where it has some.

    ``colours`` are for PyAV's `reformat`.
    """
    size = {"width": width, "height": height, **colours}
    transfer = int(frame.color_trc or 0)
    if transfer in HDR_TRANSFERS and not is_clear(frame.format):
        deep = np.asarray(frame.reformat(format="rgb48le", **size).to_ndarray(), np.float64)
        return to_standard_range(deep / 65535.0, transfer)
    form = "rgba" if is_clear(frame.format) else "rgb24"
    return np.asarray(frame.reformat(format=form, **size).to_ndarray(), np.uint8)


def to_standard_range(signal: NDArray[np.float64], transfer: int) -> Picture:
    """HDR as Rec. 709 shows it, by the curve of `gpu_tasks.mediakit.film.TO_SDR`."""
    light = np.maximum(_light(signal, transfer) @ REC2020_TO_709.T, 0.0)
    top = np.maximum(light.max(axis=-1, keepdims=True), 1e-6)
    pressed = np.clip(light * _pressed(top) / top, 0, 1)
    return np.asarray(pressed ** (1 / SDR_GAMMA) * 255 + 0.5, dtype=np.uint8)


def _pressed(light: NDArray[np.float64]) -> NDArray[np.float64]:
    """The Möbius transform that leaves the knee as straight as it was, and takes the peak to 1."""
    above = np.maximum(light - KNEE, 0.0)
    bend = 1 / (1 - KNEE) - 1 / (PEAK_NITS / WHITE_NITS - KNEE)
    return np.minimum(light, KNEE) + above / (1 + bend * above)


def _light(signal: NDArray[np.float64], transfer: int) -> NDArray[np.float64]:
    """Linear light, diffuse white 1: SMPTE ST 2084, or ARIB STD-B67 on a display of 1000 nits."""
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


def _even(side: float) -> int:
    # 4:2:0 halves both sides.
    return max(2, round(side / 2) * 2)
