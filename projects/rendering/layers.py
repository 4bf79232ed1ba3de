"""Render one picture of a media file at its position on the screen, below the layers above it.

This module runs in the sandbox only (`projects.rendering.frames`). The picture is placed and
blended as in a render (`gpu_tasks.render.pictures`), but not deinterlaced.
"""

import base64
from collections.abc import Callable
from fractions import Fraction
from typing import BinaryIO

import av
import numpy as np
from av.video.reformatter import Colorspace
from numpy.typing import NDArray

from gpu_tasks.mediakit.decoding import STILL, is_bt709, open_media
from gpu_tasks.mediakit.orientation import get_orientation
from gpu_tasks.render.contract.frames import fit_box
from gpu_tasks.runtime.errors import EngineError
from media.derivation.frames import DecodedFrame, convert_frame, decode_frame_at, find_still
from media.derivation.pictures import encode_jpeg

Canvas = NDArray[np.uint8]
"""Height × width × 4: red, green and blue, premultiplied, and alpha."""


def render_under(
    source: BinaryIO,
    *,
    seconds: float,
    opacity: float,
    width: int,
    height: int,
    is_last: bool,
    ask: Callable[[object], bytes],
) -> dict[str, str] | None:
    """Return the canvas above with the file's picture below it; None if that cannot be decoded.

    ``ask`` returns the canvas above, or nothing. The answer has a ``jpeg`` if the result is opaque
    or ``is_last``, else the ``canvas``, either in base64.
    """
    above = ask("above")
    canvas = np.frombuffer(above, np.uint8).reshape(height, width, 4) if above else None
    try:
        with open_media(source) as container:
            formats = set(container.format.name.split(","))
            is_still = not formats.isdisjoint(STILL)
            frame = find_still(container) if is_still else decode_frame_at(container, seconds)
            if frame is None:
                return None
            blended = _blend_under(canvas, _place_on_canvas(frame, width, height), opacity)
    except (EngineError, av.FFmpegError, ValueError):
        return None
    if is_last or blended[..., 3].min() == 255:
        return {"jpeg": _encode_base64(encode_jpeg(np.ascontiguousarray(blended[..., :3])))}
    return {"canvas": _encode_base64(blended.tobytes())}


def render_blank(width: int, height: int) -> dict[str, str]:
    """Return a black JPEG, for a time at which no clip is shown."""
    return {"jpeg": _encode_base64(encode_jpeg(np.zeros((height, width, 3), np.uint8)))}


def _encode_base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _place_on_canvas(decoded: DecodedFrame, width: int, height: int) -> Canvas:
    """Return the frame on a canvas that is transparent elsewhere."""
    frame = decoded.frame
    orientation = get_orientation(frame)
    aspect = Fraction(decoded.stream.sample_aspect_ratio or 1) or Fraction(1)
    sides = (frame.width * aspect, Fraction(frame.height))
    swaps_sides = orientation.swaps_sides
    x, y, wide, high = fit_box(*(sides[::-1] if swaps_sides else sides), (width, height))
    size = {"width": high, "height": wide} if swaps_sides else {"width": wide, "height": high}
    colours = {"src_colorspace": Colorspace.ITU709} if is_bt709(frame) else {}
    picture = orientation.apply(convert_frame(frame, **size, **colours))
    canvas = np.zeros((height, width, 4), np.uint8)
    region = canvas[y : y + high, x : x + wide]
    if picture.shape[2] == 4:
        alpha = picture[..., 3:].astype(np.uint16)
        region[..., :3] = (picture[..., :3] * alpha + 127) // 255
        region[..., 3:] = alpha
    else:
        region[..., :3], region[..., 3] = picture, 255
    return canvas


def _blend_under(above: Canvas | None, canvas: Canvas, opacity: float) -> Canvas:
    """Return a canvas of some opacity blended under another."""
    if opacity < 1:
        canvas = np.rint(canvas * np.float32(opacity)).astype(np.uint8)
    if above is None:
        return canvas
    transparency = 255 - above[..., 3:].astype(np.uint16)
    visible = (canvas * transparency + 127) // 255
    return np.minimum(above + visible, 255).astype(np.uint8)
