"""One picture of a media file where it lies on the screen, under what lies over it.

Only for the sandbox (`projects.rendering.frames`). It is placed and blended as a render does it
(`gpu_tasks.render.pictures`), but not deinterlaced.
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
from gpu_tasks.mediakit.orientation import orientation_of
from gpu_tasks.render.contract.frames import box_of
from gpu_tasks.runtime.errors import EngineError
from media.derivation.frames import DecodedFrame, convert_frame, find_still, frame_at
from media.derivation.pictures import jpeg

Canvas = NDArray[np.uint8]
"""Height × width × 4: red, green and blue as far as they are seen, and how much of each is."""


def under(
    source: BinaryIO,
    *,
    seconds: float,
    opacity: float,
    width: int,
    height: int,
    is_last: bool,
    ask: Callable[[object], bytes],
) -> dict[str, str] | None:
    """What is seen with the file's picture at a time; None where that does not decode.

    ``ask`` has the canvas of what lies over it, or nothing. Answers a ``jpeg`` where nothing below
    is seen, or ``is_last``; else the ``canvas``. Both in base64.
    """
    above = ask("above")
    canvas = np.frombuffer(above, np.uint8).reshape(height, width, 4) if above else None
    try:
        with open_media(source) as container:
            formats = set(container.format.name.split(","))
            is_still = not formats.isdisjoint(STILL)
            shown = find_still(container) if is_still else frame_at(container, seconds)
            if shown is None:
                return None
            seen = _blended(canvas, _placed(shown, width, height), opacity)
    except (EngineError, av.FFmpegError, ValueError):
        return None
    if is_last or seen[..., 3].min() == 255:
        return {"jpeg": _text(jpeg(np.ascontiguousarray(seen[..., :3])))}
    return {"canvas": _text(seen.tobytes())}


def blank(width: int, height: int) -> dict[str, str]:
    """Black, where nothing is shown."""
    return {"jpeg": _text(jpeg(np.zeros((height, width, 3), np.uint8)))}


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _placed(shown: DecodedFrame, width: int, height: int) -> Canvas:
    """The frame on a canvas; where there is none of it, nothing."""
    frame = shown.frame
    orientation = orientation_of(frame)
    aspect = Fraction(shown.stream.sample_aspect_ratio or 1) or Fraction(1)
    sides = (frame.width * aspect, Fraction(frame.height))
    swaps_sides = orientation.swaps_sides
    left, top, wide, high = box_of(*(sides[::-1] if swaps_sides else sides), (width, height))
    lying = {"width": high, "height": wide} if swaps_sides else {"width": wide, "height": high}
    colours = {"src_colorspace": Colorspace.ITU709} if is_bt709(frame) else {}
    picture = orientation.apply(convert_frame(frame, **lying, **colours))
    canvas = np.zeros((height, width, 4), np.uint8)
    place = canvas[top : top + high, left : left + wide]
    if picture.shape[2] == 4:
        covered = picture[..., 3:].astype(np.uint16)
        place[..., :3] = (picture[..., :3] * covered + 127) // 255
        place[..., 3:] = covered
    else:
        place[..., :3], place[..., 3] = picture, 255
    return canvas


def _blended(above: Canvas | None, canvas: Canvas, opacity: float) -> Canvas:
    """A canvas, seen as far as told, under another."""
    if opacity < 1:
        canvas = np.rint(canvas * np.float32(opacity)).astype(np.uint8)
    if above is None:
        return canvas
    left = 255 - above[..., 3:].astype(np.uint16)
    behind = (canvas * left + 127) // 255
    return np.minimum(above + behind, 255).astype(np.uint8)
