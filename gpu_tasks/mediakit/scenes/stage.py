"""The stage of a scene: its canvas at one time, and the strokes that all painters share."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from gpu_tasks.mediakit.film import Frame
from gpu_tasks.mediakit.scenes.light import Colour, Light, colour
from gpu_tasks.mediakit.scenes.words import CODES, Description

Field = NDArray[np.floating[Any]]
"""Height × width, mostly 0 to 1."""

HORIZON = 0.6
SHORE = 0.72
"""Where land begins before water; both as shares of the height."""
INDOORS = ("abstract", "space", "underwater", "room")
DRY = ("desert", "field", "road", "forest", "hills")
COVERING = ("storm", "lightning", "rain", "overcast")


@dataclass
class Stage:
    """What is shown at a time, in which light, on which canvas."""

    canvas: Frame
    told: Description
    light: Light
    rng: np.random.Generator
    """Begins alike at every time, so that what is drawn by chance stays where it is."""
    seconds: float

    def __post_init__(self) -> None:
        self.height, self.width = self.canvas.shape[:2]
        self.horizon = round(self.height * HORIZON)
        self.unit = min(float(self.height), 0.7 * self.width)
        """What sizes are measured in."""
        self.x = np.linspace(0, 1, self.width, dtype=np.float32)[None, :]
        self.y = np.linspace(0, 1, self.height, dtype=np.float32)[:, None]

    def asked(self, place: str) -> bool:
        """Whether this place is one of those asked for."""
        return any(one.name == place for one in self.told.places)

    @property
    def kind(self) -> str:
        """One of `INDOORS`, or ``landscape``."""
        told = self.told
        for place in INDOORS:
            if self.asked(place):
                return place
        if not (told.things or told.places or told.weather or told.time or told.caption):
            return "abstract"
        if not told.places and told.has("planet"):
            return "space"
        return "underwater" if not told.places and told.has("fish") else "landscape"

    @property
    def covered(self) -> bool:
        """Whether clouds hide sun and stars."""
        return any(self.told.has(name) for name in COVERING)

    @property
    def wet(self) -> bool:
        """Water: asked for, under boats, and before a city that has no other ground."""
        if self.asked("sea") or self.asked("beach"):
            return True
        on_water = self.told.has("boat") or self.asked("city")
        return on_water and not any(self.asked(place) for place in DRY)

    @property
    def ashore(self) -> bool:
        """Whether there must be land before the water."""
        floats = ("boat", "lighthouse", "bird", "balloon", "fish", "cloud", "rainbow")
        sky = ("sun", "moon", "star", "planet")
        on_land = any(one.name not in floats + sky for one in self.told.things)
        return self.asked("beach") or on_land or bool(self.told.caption)

    def own(self, place: str, code: str) -> Colour:
        """The colour that was said of a place, else that of the code, in this light."""
        said = (one.colour for one in self.told.places if one.name == place and one.colour)
        return self.light.lit(colour(next((CODES[name] for name in said), code)))

    def blend(self, own: Colour, opacity: Field, top: int = 0) -> None:
        """Lay a colour (or one for each pixel) over the rows from ``top``, by an opacity."""
        under = self.canvas[top : top + opacity.shape[0]].astype(np.float32)
        share = np.clip(opacity, 0, 1).astype(np.float32)[..., None]
        laid = under + (own.astype(np.float32) - under) * share
        self.canvas[top : top + opacity.shape[0]] = np.clip(laid + 0.5, 0, 255)

    def below(self, line: Field, own: Colour, opacity: float = 1.0) -> None:
        """Fill what lies below a line of rows, one for each column."""
        rows = np.arange(self.height, dtype=np.float32)[:, None]
        self.blend(own, np.clip(rows - line, 0, 1) * opacity)

    def polygon(self, points: Any, own: Colour) -> None:
        """Fill a polygon."""
        cv2.fillPoly(self.canvas, [_fixed(points)], _ink(own), cv2.LINE_AA, 4)

    def line(self, points: Any, thickness: float, own: Colour) -> None:
        """Draw a line through points."""
        wide = max(1, round(thickness))
        cv2.polylines(self.canvas, [_fixed(points)], False, _ink(own), wide, cv2.LINE_AA, 4)

    def oval(self, centre: Any, radii: Any, own: Colour) -> None:
        """Fill an ellipse."""
        at, size = _fixed(centre).tolist(), _fixed(radii).tolist()
        cv2.ellipse(self.canvas, at, size, 0, 0, 360, _ink(own), -1, cv2.LINE_AA, 4)

    def disc(self, centre: Any, radius: float, own: Colour) -> None:
        """Fill a circle."""
        self.oval(centre, (radius, radius), own)

    def box(self, left: float, top: float, right: float, bottom: float, own: Colour) -> None:
        """Fill an upright rectangle."""
        self.polygon([(left, top), (right, top), (right, bottom), (left, bottom)], own)

    def glow(self, at: tuple[float, float], radius: float, own: Colour, strength: float) -> None:
        """Add a round light."""
        across, down = self.x * self.width - at[0], self.y * self.height - at[1]
        near = np.clip(1 - np.hypot(across, down) / radius, 0, 1)
        self.blend(own, strength * near**2)

    def shadow(self, foot: tuple[float, float], radius: float) -> None:
        """Darken the ground under a thing."""
        top, end = max(0, round(foot[1] - radius / 4)), round(foot[1] + radius / 4)
        across = (self.x * self.width - foot[0]) / radius
        down = (self.y[top:end] * self.height - foot[1]) / (radius / 4)
        self.blend(colour("101018"), 0.4 * np.clip(1 - across**2 - down**2, 0, 1), top)

    def noise(self, rows: int, columns: int, cells: float, *, stretch: float = 1.0) -> Field:
        """Value noise of five octaves, 0 to 1; ``cells`` lumps along the height in the first."""
        total = np.zeros((rows, columns), np.float32)
        for octave in range(5):
            down = max(2, round(cells * 2**octave))
            across = max(2, round(down * columns / rows / stretch))
            grid = self.rng.random((down, across), np.float32)
            total += 0.5**octave * cv2.resize(grid, (columns, rows), interpolation=cv2.INTER_CUBIC)
        low, high = float(total.min()), float(total.max())
        return (total - low) / max(high - low, 1e-6)

    def ridge(self, cells: float) -> Field:
        """A line of hills: 0 to 1 for each column, ``cells`` of them side by side."""
        return self.noise(2, self.width, 2, stretch=self.width / cells)[:1]


def _fixed(points: Any) -> Any:
    """Coordinates as OpenCV takes them, with four bits of fraction."""
    return np.round(np.array(points) * 16).astype(np.int32)


def _ink(own: Colour) -> list[float]:
    return [float(value) for value in np.clip(own, 0, 255)]
