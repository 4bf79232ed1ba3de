"""The orientation in which players show the stored pictures of a file."""

import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, cast

import av
import av.filter
import numpy as np
from av.sidedata import sidedata
from av.sidedata.sidedata import Type
from numpy.typing import NDArray
from PIL import Image

UNNAMED_SIDE_DATA = range(28, 40)
"""Kinds of side data that PyAV does not know yet, EXIF among them."""
QUARTERS = (0, 90, 180, 270)
IDENTITY = (1, 0, 0, 1)


@dataclass(frozen=True)
class Orientation:
    """The display matrix of a picture, interpreted as FFmpeg's program does.

    A point ``(x, y)`` of the stored picture is shown at ``(a * x + c * y, b * x + d * y)``, with y
    downwards. A rotation by anything but a quarter turn keeps the picture's size: what leaves it is
    cut off, and its corners are black.
    """

    matrix: tuple[int, int, int, int] = IDENTITY
    """``a, b, c, d``, in any unit."""

    @property
    def angle(self) -> int:
        """Return the clockwise degrees, 0 to 359, by which the left-to-right direction turns."""
        a, b, _, _ = self.matrix
        return round(math.degrees(math.atan2(b, a))) % 360

    @property
    def swaps_sides(self) -> bool:
        """Return whether width and height change places."""
        return self.angle in (90, 270)

    @property
    def is_mirrored(self) -> bool:
        """Return whether the picture is mirrored left to right before it is rotated."""
        a, b, c, d = self.matrix
        return self.angle in QUARTERS and a * d - b * c < 0

    @property
    def rotation(self) -> int:
        """Return the clockwise degrees of the rotation, 0 to 359, after the mirroring."""
        return (self.angle + 180) % 360 if self.is_mirrored else self.angle

    @property
    def is_upright(self) -> bool:
        """Return whether the picture is shown as it is stored."""
        return self.angle == 0 and not self.is_mirrored

    def apply(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return a picture (height × width × channels) as players show it."""
        if self.angle not in QUARTERS:
            tilted = Image.fromarray(pixels).rotate(-self.angle, Image.Resampling.BILINEAR)
            return np.asarray(tilted, np.uint8)
        a, b, c, d = self.matrix
        if self.swaps_sides:
            pixels = pixels.transpose(1, 0, 2)
        flips_x, flips_y = (c < 0, b < 0) if self.swaps_sides else (a < 0, d < 0)
        return np.ascontiguousarray(pixels[:: -1 if flips_y else 1, :: -1 if flips_x else 1])


def filter_frame(frame: av.VideoFrame, filters: Sequence[tuple[str, str]]) -> av.VideoFrame:
    """Apply FFmpeg's filters (name and arguments) to one frame."""
    graph = av.filter.Graph()
    source = graph.add_buffer(
        width=frame.width,
        height=frame.height,
        format=frame.format,
        time_base=frame.time_base or Fraction(1, av.time_base),
    )
    chain = [graph.add(name, arguments) for name, arguments in filters]
    graph.link_nodes(source, *chain, graph.add("buffersink")).configure()
    graph.push(frame)
    result = graph.pull()
    assert isinstance(result, av.VideoFrame)  # noqa: S101 - the graph outputs pictures
    return result


def _read_side_data(frame: av.VideoFrame) -> Mapping[Type, bytes]:
    """Read side data anew, because `frame.side_data` keeps the frame from being freed."""
    container: Any = sidedata.SideDataContainer
    return cast("Mapping[Type, bytes]", container(frame))


def get_orientation(frame: av.VideoFrame) -> Orientation:
    """Return the orientation of a decoded frame, from its container, codec or EXIF."""
    try:
        data = _read_side_data(frame).get(Type.DISPLAYMATRIX)
    except ValueError:  # PyAV does not know one of the kinds
        deletions = [("sidedata", f"mode=delete:type={kind}") for kind in UNNAMED_SIDE_DATA]
        data = _read_side_data(filter_frame(frame, deletions)).get(Type.DISPLAYMATRIX)
    if data is None:
        return Orientation()
    a, b, _, c, d = struct.unpack("=5i", bytes(data)[:20])
    return Orientation((a, b, c, d)) if a or b else Orientation()
