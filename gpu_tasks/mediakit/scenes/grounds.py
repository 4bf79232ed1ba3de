"""What lies below the horizon: water, sand, grass, snow and roads."""

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from gpu_tasks.mediakit.film import Frame
from gpu_tasks.mediakit.scenes.colours import Colour, Light, colour, mixed
from gpu_tasks.mediakit.scenes.elements import Plane, View
from gpu_tasks.mediakit.scenes.noise import Field, fractal, tileable
from gpu_tasks.mediakit.scenes.painting import gradient, sheet_of

DEEP, SHALLOW = colour("17506e"), colour("2f8f9c")
SAND, WET_SAND, DUNE = colour("dcc08c"), colour("a98f66"), colour("d99f5e")
GRASS, SNOW, ASPHALT = colour("6c9a44"), colour("eef3f8"), colour("54575e")
TILE = 512
FAR = 14.0
"""How much smaller the waves are at the horizon than at the lower edge."""


@dataclass
class Water:
    """Waves in perspective that run towards the viewer and gleam under the sun."""

    view: View
    light: Light
    rng: np.random.Generator
    own: Colour | None
    gleam_at: float
    """Where sun or moon stands, in columns; its path on the water lies below it."""
    gleaming: float
    """How bright that path is, 0 to 1."""
    bottom: int
    """The row at which the water ends."""
    _waves: Field = field(init=False)
    _columns: Field = field(init=False)
    _rows: Field = field(init=False)
    _colours: Field = field(init=False)
    _mirror: Field = field(init=False)
    _gleam: Field = field(init=False)
    _scale: Field = field(init=False)

    def __post_init__(self) -> None:
        tile = tileable(self.rng, TILE, cells=8, octaves=5, gain=0.6)
        self._waves = (tile - tile.mean()) / tile.std()
        rows = self.bottom - self.view.horizon
        down = (np.arange(rows, dtype=np.float32) + 0.5) / (self.view.height - self.view.horizon)
        distance = 1 / (down + 1 / FAR)
        x = (np.arange(self.view.width, dtype=np.float32) - self.view.width / 2) / self.view.height
        self._scale = distance[:, None]
        self._columns = x[None, :] * distance[:, None] * np.float32(110)
        self._rows = np.repeat(distance[:, None] * np.float32(190), self.view.width, axis=1)
        self._colours = self._gradient(down)
        # Water seen at a flat angle mirrors more (Fresnel).
        self._mirror = (0.34 + 0.52 * np.exp(-3.2 * down)).astype(np.float32)
        self._gleam = self._path(down)

    def _gradient(self, down: Field) -> Field:
        own = self.own if self.own is not None else DEEP
        near = self.light.lit(own)
        far = self.light.lit(mixed(own, SHALLOW, 0.5))
        return gradient([(0.0, far), (1.0, near * np.float32(0.9))], down)

    def _path(self, down: Field) -> Field:
        x = np.arange(self.view.width, dtype=np.float32)[None, :]
        spread = self.view.height * (0.05 + 0.22 * down[:, None])
        strong = self.gleaming * (1.0 if self.light.sun_height < 0.5 or self.light.dark else 0.5)
        near = np.exp(-(((x - self.gleam_at) / spread) ** 2))
        return (strong * near * (1 - 0.55 * down[:, None])).astype(np.float32)

    def draw(self, canvas: Frame, seconds: float, pan: float) -> None:
        """Sample the waves, twice at different speeds, and light them."""
        shift = np.float32(pan / self.view.height * 110)
        one = self._sample(self._columns - shift, self._rows + np.float32(26 * seconds), 1.0)
        two = self._sample(self._columns - shift, self._rows - np.float32(11 * seconds), 1.9)
        swell = (one + two) * np.float32(0.5)
        soft = np.clip(3.2 / self._scale, 0.25, 1)
        mirrored = self._mirrored(canvas, swell)
        share = (self._mirror[:, None] * (1 - 0.22 * swell * soft))[..., None]
        tone = self._colours[:, None, :] * (1 + (0.13 * swell * soft))[..., None]
        tone += np.clip(share, 0, 0.92) * (mirrored - tone)
        spark = np.clip(swell - 0.55 + 0.8 * self._gleam, 0, 1.4) * self._gleam
        crest = np.clip(swell - 1.35, 0, 1) * np.float32(0.3) * soft
        tone += spark[..., None] * (self.light.sun * np.float32(0.8))
        tone += crest[..., None] * self.light.tint
        top = self.view.horizon
        canvas[top : top + swell.shape[0]] = np.clip(tone, 0, 255).astype(np.uint8)

    def _mirrored(self, canvas: Frame, swell: Field) -> Field:
        """What stands above the horizon, upside down and broken by the waves."""
        rows, columns = np.mgrid[: swell.shape[0], : swell.shape[1]].astype(np.float32)
        top = self.view.horizon
        rough = np.float32(self.view.height * 0.014) * np.clip(2.5 / self._scale, 0.12, 1)
        up = top - 1 - np.abs(rows * np.float32(0.92) + swell * rough * 2.2)
        sampled = cv2.remap(
            canvas[:top], columns + swell * rough, up, cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )  # fmt: skip
        return sampled.astype(np.float32)

    def _sample(self, x: Field, y: Field, scale: float) -> Field:
        columns = x * np.float32(scale)
        rows = y * np.float32(scale)
        return np.asarray(
            cv2.remap(self._waves, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP),
            np.float32,
        )


def beach(
    rng: np.random.Generator, view: View, light: Light, shore: int, own: Colour | None
) -> list[Plane]:
    """Sand in front of the water from the row ``shore``, wet where it begins."""
    sand = own if own is not None else SAND
    rows = view.height - shore
    x = np.linspace(0, 1, view.broad, dtype=np.float32)
    bend = 0.16 * np.sin(2.4 * x * np.pi + rng.uniform(0, 6.3)) + 0.05 * np.sin(9 * x + 1)
    down = np.linspace(0, 1, rows, dtype=np.float32)[:, None] - 0.2 - bend[None, :]
    grain = fractal(rng, rows, view.broad, cells=22, octaves=4, gain=0.7, stretch=2.4)
    stops = [
        (0.0, light.lit(mixed(sand, WET_SAND, 0.8))),
        (0.16, light.lit(sand)),
        (1.0, light.lit(sand) * 0.86),
    ]
    rgb = gradient(stops, down) * (0.92 + 0.16 * grain)[..., None]
    foam = np.exp(-(((down + 0.012) / 0.022) ** 2)) + 0.5 * np.exp(-(((down + 0.085) / 0.02) ** 2))
    foam = np.clip(foam * (0.5 + grain), 0, 1)
    rgb = rgb * (1 - foam[..., None]) + light.lit(SNOW) * foam[..., None]
    opacity = np.clip(np.maximum(down * rows / 3, foam * 0.95), 0, 1)
    return [Plane(view, sheet_of(rgb, opacity), shore, view.nearness(shore), 1.0)]


def meadow(
    rng: np.random.Generator, view: View, light: Light, own: Colour | None, *, snowy: bool
) -> list[Plane]:
    """Grass or snow: broad patches far away, blades near by."""
    base = own if own is not None else GRASS
    if snowy:
        base = SNOW
    down, texture = _textured(rng, view, stretch=3.2)
    far, near = light.lit(base, 0.42), light.lit(base * np.float32(0.72 if not snowy else 0.9))
    rgb = gradient([(0.0, far), (0.22, light.lit(base, 0.1)), (1.0, near)], down)
    strength = 0.34 if not snowy else 0.1
    rgb = rgb * (1 + strength * (texture - 0.5))[..., None]
    planes = [_ground(view, rgb)]
    if not snowy:
        planes.append(_blades(rng, view, near))
    return planes


def _blades(rng: np.random.Generator, view: View, own: Colour) -> Plane:
    """Blades of grass along the lower edge."""
    rows = round(view.height * 0.17)
    sheet = np.zeros((rows, view.broad, 4), np.uint8)
    for _ in range(round(view.broad / rows * 190)):
        x, foot = rng.uniform(0, view.broad), rows * (1.05 - 0.5 * rng.random() ** 2)
        tall, lean = rows * rng.uniform(0.2, 0.52), rows * rng.uniform(-0.16, 0.16)
        half = max(0.6, rows * 0.013)
        tone = np.clip(own * rng.uniform(0.62, 1.25), 0, 255)
        corners = [(x - half, foot), (x + lean, foot - tall), (x + half, foot)]
        points = (np.array(corners) * 16).astype(np.int32)
        cv2.fillPoly(sheet, [points], (*(float(one) for one in tone), 255.0), cv2.LINE_AA, shift=4)
    return Plane(view, sheet, view.height - rows, 0.95, 1.0)


def desert(rng: np.random.Generator, view: View, light: Light, own: Colour | None) -> list[Plane]:
    """Dunes behind each other, each with a lit and a shaded side, and ripples on the nearest."""
    base = own if own is not None else DUNE
    planes = [_ground(view, gradient([(0, light.lit(base, 0.5)), (1, light.lit(base))],
                                     _textured(rng, view, stretch=5)[0]))]  # fmt: skip
    depth = view.height - view.horizon
    for at, distance in ((-0.2, 0.5), (-0.04, 0.32), (0.16, 0.14), (0.42, 0.0)):
        top = view.horizon + round(depth * at)
        near = max(0.08, at + 0.25)
        sheet = _dune(rng, view, view.height - top, depth, light, base, distance)
        planes.append(Plane(view, sheet, top, near, near))
    return planes


def _dune(
    rng: np.random.Generator,
    view: View,
    rows: int,
    depth: int,
    light: Light,
    own: Colour,
    distance: float,
) -> NDArray[np.uint8]:
    x = np.linspace(0, 1, view.broad, dtype=np.float32)
    count, phase = rng.uniform(0.9, 1.8), rng.uniform(0, 6.3)
    crest = np.abs(np.sin(count * np.pi * x + phase)) ** np.float32(1.3)
    line = 0.05 + 0.2 * crest + 0.05 * np.sin(5.1 * x + 2 * phase)
    down = np.linspace(0, rows / depth, rows, dtype=np.float32)[:, None]
    below = down - (0.3 - line)[None, :]
    # The lee side begins at the crest and widens downwards in a curve.
    lee = np.sin(count * np.pi * x + phase + np.pi / 2)[None, :] * -1 + 0.5 * below
    lit = np.clip(lee * 5 + 0.5, 0, 1)
    ripple = np.sin(below * 190 + 5 * fractal(rng, rows, view.broad, cells=4, stretch=3))
    shade = light.lit(own * np.float32(0.6), distance)
    bright = light.lit(np.clip(own * np.float32(1.14), 0, 255), distance)
    rgb = gradient([(0.0, shade), (1.0, bright)], lit)
    fall = 1 + 0.04 * ripple * (1 - 1.6 * distance) - 0.22 * np.clip(below, 0, 1)
    return sheet_of(rgb * fall[..., None], np.clip(below * depth + 0.5, 0, 1))


def road(rng: np.random.Generator, view: View, light: Light, vanish: float) -> list[Plane]:
    """A road to the horizon, with its lines."""
    down, texture = _textured(rng, view, stretch=1.5)
    rows = down.shape[0]
    x = (np.arange(view.broad, dtype=np.float32) - view.margin - vanish)[None, :] / view.height
    side = x / (0.02 + 0.62 * down)
    soft = np.maximum(down, 0.03) * 0.62 * view.height
    opacity = np.clip((1 - np.abs(side)) * soft + 0.5, 0, 1)
    rgb = gradient(
        [(0, light.lit(ASPHALT, 0.5)), (0.2, light.lit(ASPHALT)), (1, light.lit(ASPHALT * 0.85))],
        down,
    )
    rgb = np.repeat(rgb, view.broad, axis=1) if rgb.shape[1] == 1 else rgb
    rgb = rgb * (0.9 + 0.2 * texture)[..., None]
    dashes = (np.log(down + 0.03) * 5.5) % 1 < 0.55
    lines = np.clip((0.022 - np.abs(side)) * soft + 0.3, 0, 1) * dashes
    lines = lines + np.clip((0.02 - np.abs(np.abs(side) - 0.93)) * soft + 0.3, 0, 1)
    paint = np.clip(lines, 0, 1)[..., None]
    rgb = rgb * (1 - paint) + light.lit(colour("eee8d2")) * paint
    return [Plane(view, sheet_of(rgb[:rows], opacity), view.horizon, 0.0, 1.0)]


def lane(rng: np.random.Generator, view: View, light: Light, top: int, rows: int) -> list[Plane]:
    """A road from side to side, for cars that are seen from the side."""
    down = np.linspace(0, 1, rows, dtype=np.float32)[:, None]
    grain = fractal(rng, rows, view.broad, cells=30, octaves=3, gain=0.8, stretch=1.5)
    rgb = gradient([(0, light.lit(ASPHALT)), (1, light.lit(ASPHALT * np.float32(0.8)))], down)
    rgb = rgb * (0.88 + 0.24 * grain)[..., None]
    x = np.arange(view.broad, dtype=np.float32)[None, :] / view.height
    edge = np.minimum(np.abs(down - 0.05), np.abs(down - 0.95))
    dashes = (np.abs(down - 0.42) < 0.025) & (x % 0.24 < 0.13)
    painted = np.clip((0.016 - edge) * rows + 0.5, 0, 1) + dashes
    share = np.clip(painted, 0, 1)[..., None]
    rgb = rgb * (1 - share) + light.lit(colour("eee8d2")) * share
    sheet = sheet_of(rgb, np.ones(rgb.shape[:2], np.float32))
    return [Plane(view, sheet, top, view.nearness(top), view.nearness(top + rows))]


def _textured(rng: np.random.Generator, view: View, *, stretch: float) -> tuple[Field, Field]:
    """How far down each pixel of the ground is (0 to 1), and a texture in perspective."""
    rows = view.height - view.horizon
    down = np.linspace(0, 1, rows, dtype=np.float32)[:, None]
    flat = fractal(rng, 512, 1024, cells=40, octaves=4, gain=0.7)
    distance = 1 / (down + 0.08)
    x = np.linspace(-0.5, 0.5, view.broad, dtype=np.float32)[None, :]
    columns = (x * distance * np.float32(1024 / stretch)).astype(np.float32)
    lines = np.repeat(distance * np.float32(300), view.broad, axis=1)
    texture = cv2.remap(flat, columns, lines, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    calm = np.clip(down * 4, 0.25, 1)
    return np.repeat(down, view.broad, axis=1), 0.5 + (texture - 0.5) * calm


def _ground(view: View, rgb: Field) -> Plane:
    opacity = np.ones(rgb.shape[:2], np.float32)
    return Plane(view, sheet_of(rgb, opacity), view.horizon, 0.0, 1.0)
