"""Painting: sheets of premultiplied colour, shapes with smooth edges, and laying them over."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from gpu_tasks.mediakit.film import Frame
from gpu_tasks.mediakit.scenes.colours import Colour
from gpu_tasks.mediakit.scenes.noise import Field

Sheet = NDArray[np.uint8]
"""Height × width × 4: colour times opacity, then opacity. Colour without opacity adds light."""

Point = tuple[float, float]
FINER = 4
"""Shapes are drawn so many times larger and then shrunk, which smooths their edges."""
SUBPIXEL = 4
"""Bits of a coordinate's fraction, as OpenCV takes it."""


def lay(canvas: Frame, sheet: Sheet, left: int, top: int) -> None:
    """Lay a sheet over the canvas, cut at its edges."""
    height, width = canvas.shape[:2]
    x0, y0 = max(left, 0), max(top, 0)
    x1, y1 = min(left + sheet.shape[1], width), min(top + sheet.shape[0], height)
    if x0 >= x1 or y0 >= y1:
        return
    part = sheet[y0 - top : y1 - top, x0 - left : x1 - left]
    under = canvas[y0:y1, x0:x1]
    through = cv2.cvtColor(255 - part[..., 3], cv2.COLOR_GRAY2RGB)
    seen = cv2.multiply(under, through, scale=1 / 255)
    canvas[y0:y1, x0:x1] = cv2.add(seen, np.ascontiguousarray(part[..., :3]))


def lay_at(canvas: Frame, sheet: Sheet, left: float, top: float) -> None:
    """The same at a place between pixels, so that slow things do not jerk."""
    x, y = int(np.floor(left)), int(np.floor(top))
    move = np.array([[1, 0, left - x], [0, 1, top - y]], np.float32)
    size = (sheet.shape[1] + 1, sheet.shape[0] + 1)
    lay(canvas, np.asarray(cv2.warpAffine(sheet, move, size), np.uint8), x, y)


def sheet_of(rgb: Field, opacity: Field) -> Sheet:
    """A sheet of colours (0 to 255) at an opacity of 0 to 1."""
    clipped = np.clip(opacity, 0, 1)[..., None]
    joined = np.concatenate([rgb * clipped, clipped * np.float32(255)], axis=2)
    return np.clip(joined + np.float32(0.5), 0, 255).astype(np.uint8)


def gradient(stops: Sequence[tuple[float, Colour]], at: Field) -> Field:
    """Colours between stops, for each value of ``at``."""
    places = [place for place, _ in stops]
    channels = [np.interp(at, places, [float(own[c]) for _, own in stops]) for c in range(3)]
    return np.stack(channels, axis=-1).astype(np.float32)


def shrunk(sheet: Sheet, times: int = FINER) -> Sheet:
    """A sheet that was drawn larger, at its size."""
    size = (sheet.shape[1] // times, sheet.shape[0] // times)
    return np.asarray(cv2.resize(sheet, size, interpolation=cv2.INTER_AREA), np.uint8)


class Sketch:
    """A small picture of shapes; lengths are shares of its height, from the top left."""

    def __init__(self, height: int, aspect: float = 1.0) -> None:
        self._unit = max(4, height) * FINER
        width = max(4, round(max(4, height) * aspect)) * FINER
        self.sheet: Sheet = np.zeros((self._unit, width, 4), np.uint8)
        self.aspect = aspect

    def polygon(self, points: Sequence[Point], own: Colour) -> None:
        """A filled polygon."""
        corners = np.array(points, np.float32) * (self._unit << SUBPIXEL)
        cv2.fillPoly(self.sheet, [corners.astype(np.int32)], self._paint(own), shift=SUBPIXEL)

    def ellipse(
        self,
        centre: Point,
        radii: Point,
        own: Colour,
        *,
        angle: float = 0,
        arc: tuple[float, float] = (0, 360),
    ) -> None:
        """A filled ellipse, or a piece of one between two angles in degrees."""
        cv2.ellipse(
            self.sheet, self._place(centre), self._place(radii), angle, *arc,
            self._paint(own), -1, cv2.LINE_8, SUBPIXEL,
        )  # fmt: skip

    def line(self, points: Sequence[Point], thickness: float, own: Colour) -> None:
        """A line through points."""
        corners = (np.array(points, np.float32) * (self._unit << SUBPIXEL)).astype(np.int32)
        wide = max(1, round(thickness * self._unit))
        cv2.polylines(self.sheet, [corners], False, self._paint(own), wide, cv2.LINE_8, SUBPIXEL)

    def rectangle(self, corner: Point, opposite: Point, own: Colour) -> None:
        """A filled upright rectangle."""
        (x0, y0), (x1, y1) = corner, opposite
        self.polygon([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], own)

    def shade(self, darkest: float, *, sideways: bool = False) -> None:
        """Darken towards the bottom, or towards the right."""
        length = self.sheet.shape[1 if sideways else 0]
        fall = np.linspace(1, darkest, length, dtype=np.float32)
        factor = fall[None, :, None] if sideways else fall[:, None, None]
        self.sheet[..., :3] = (self.sheet[..., :3] * factor).astype(np.uint8)

    def done(self) -> Sheet:
        """The picture at its size."""
        return shrunk(self.sheet)

    def _place(self, point: Point) -> tuple[int, int]:
        x, y = (round(value * (self._unit << SUBPIXEL)) for value in point)
        return x, y

    def _paint(self, own: Colour) -> tuple[float, float, float, float]:
        red, green, blue = (float(value) for value in np.clip(own, 0, 255))
        return red, green, blue, 255.0


def glow(radius: int, own: Colour, strength: float, *, falloff: float = 2.2) -> Sheet:
    """A round glow that only adds light."""
    side = np.linspace(-1, 1, 2 * radius + 1, dtype=np.float32)
    distance = np.sqrt(side[None, :] ** 2 + side[:, None] ** 2)
    light = strength * np.clip(1 - distance, 0, 1) ** np.float32(falloff)
    return added(light[..., None] * own)


def added(light: Field) -> Sheet:
    """A sheet that only adds light, dithered against visible steps."""
    noise = np.random.default_rng(1).random(light.shape[:2], np.float32)[..., None]
    rgb = np.where(light > 0.02, np.clip(light + noise, 0, 255), 0).astype(np.uint8)
    return np.concatenate([rgb, np.zeros((*rgb.shape[:2], 1), np.uint8)], axis=2)
