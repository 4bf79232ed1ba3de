"""The parts of a scene that lie over each other, each drawing itself at a time."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np

from gpu_tasks.mediakit.film import Frame
from gpu_tasks.mediakit.scenes.painting import Point, Sheet, lay, lay_at

Path = Callable[[float], Point]
"""How far something has gone, right and down, by the seconds."""


def resting(_seconds: float) -> Point:
    """The path of what stays where it is."""
    return 0.0, 0.0


@dataclass(frozen=True)
class View:
    """The size of the picture, and how far things may be beside it."""

    width: int
    height: int
    horizon: int
    """The row at which the ground ends."""
    margin: int
    """Columns painted beyond each edge, for the camera to pan over."""

    @property
    def broad(self) -> int:
        """The width with both margins."""
        return self.width + 2 * self.margin

    @property
    def unit(self) -> float:
        """What the sizes of things are measured in: the height, less in upright pictures."""
        return min(float(self.height), 0.7 * self.width)

    def nearness(self, row: float) -> float:
        """How near the ground is at a row: 0 at the horizon, 1 at the lower edge."""
        return max(0.0, (row - self.horizon) / max(1, self.height - self.horizon))


class Element(Protocol):
    """Draws itself over what is behind it; ``pan`` is how far the nearest ground has moved."""

    def draw(self, canvas: Frame, seconds: float, pan: float) -> None:
        """Draw at a time."""
        ...


@dataclass
class Backdrop:
    """Fills the picture and stays where it is."""

    picture: Frame

    def draw(self, canvas: Frame, seconds: float, pan: float) -> None:
        """Copy it."""
        del seconds, pan
        canvas[:] = self.picture


@dataclass
class Plane:
    """A sheet as broad as the view and its margins; its upper and lower edge move by nearness."""

    view: View
    sheet: Sheet
    top: int
    upper: float
    lower: float
    drift: float = 0.0
    """Pixels a second to the right, within the margin."""

    def draw(self, canvas: Frame, seconds: float, pan: float) -> None:
        """Shear it by the pan, so that what is nearer moves more."""
        rows = self.sheet.shape[0]
        left = pan * self.upper + self.drift * seconds - self.view.margin
        slant = pan * (self.lower - self.upper) / max(1, rows)
        move = np.array([[1, slant, left], [0, 1, 0]], np.float32)
        size = (self.view.width, rows)
        seen = np.asarray(cv2.warpAffine(self.sheet, move, size), np.uint8)
        lay(canvas, seen, 0, self.top)


@dataclass
class Sprite:
    """A thing with a place of its own, which may move."""

    sheet: Sheet
    left: float
    top: float
    near: float
    path: Path = resting

    def draw(self, canvas: Frame, seconds: float, pan: float) -> None:
        """Lay it where it is by now."""
        x, y = self.path(seconds)
        lay_at(canvas, self.sheet, self.left + x + pan * self.near, self.top + y)


@dataclass
class Frames:
    """A thing whose picture changes: painted for each time."""

    paint: Callable[[float], Sheet]
    left: float
    top: float
    near: float
    path: Path = resting

    def draw(self, canvas: Frame, seconds: float, pan: float) -> None:
        """Paint it and lay it where it is by now."""
        x, y = self.path(seconds)
        lay_at(canvas, self.paint(seconds), self.left + x + pan * self.near, self.top + y)


@dataclass
class Falling:
    """A tile of rain or snow that moves over the whole picture, without end."""

    tile: Sheet
    speed: Point
    """Pixels a second to the right and down."""
    near: float = 0.5
    sway: float = 0.0

    def draw(self, canvas: Frame, seconds: float, pan: float) -> None:
        """Lay the tile as often as the canvas needs."""
        rows, columns = self.tile.shape[:2]
        x = self.speed[0] * seconds + pan * self.near + self.sway * np.sin(1.3 * seconds)
        y = self.speed[1] * seconds
        for top in range(int(y % rows) - rows, canvas.shape[0], rows):
            for left in range(int(x % columns) - columns, canvas.shape[1], columns):
                lay(canvas, self.tile, left, top)
