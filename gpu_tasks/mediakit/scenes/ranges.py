"""What stands along the horizon: mountains, hills, woods and cities, in rows of distance."""

import cv2
import numpy as np

from gpu_tasks.mediakit.scenes.colours import Colour, Light, colour, mixed
from gpu_tasks.mediakit.scenes.elements import Plane, View
from gpu_tasks.mediakit.scenes.noise import Field, fractal, ridge
from gpu_tasks.mediakit.scenes.painting import Sheet, sheet_of, shrunk

ROCK, SNOW = colour("6b7180"), colour("f4f7fb")
PINE, LEAF = colour("2c4a35"), colour("4f7a3c")
GRASS = colour("6f9a48")
WINDOW = colour("ffd68a")


def mountains(
    rng: np.random.Generator, view: View, light: Light, own: Colour | None, *, snowy: bool
) -> list[Plane]:
    """Three ranges, paler with distance, snow on the heights."""
    planes = []
    for distance, peak, near in ((0.72, 0.62, 0.05), (0.45, 0.46, 0.1), (0.2, 0.27, 0.18)):
        rows = max(8, round(view.horizon * peak))
        heights = 0.2 + 0.8 * ridge(
            rng, view.broad, cells=1.1 / peak * view.broad / view.height, gain=0.47
        )
        base = own if own is not None else mixed(ROCK, PINE, 0.75 * (distance < 0.3))
        cap = 0.58 if snowy or distance > 0.4 else 2.0
        sheet = _range(rng, heights, rows, light, base, distance, cap - 0.25 * snowy)
        planes.append(Plane(view, sheet, view.horizon - rows + 2, near, near))
    return planes


def hills(rng: np.random.Generator, view: View, light: Light, own: Colour | None) -> list[Plane]:
    """Soft hills in three rows."""
    planes = []
    for distance, peak, near in ((0.6, 0.34, 0.06), (0.38, 0.24, 0.12), (0.18, 0.13, 0.2)):
        rows = max(8, round(view.horizon * peak))
        heights = 0.15 + 0.85 * ridge(
            rng, view.broad, cells=1.3 * view.broad / view.height, octaves=3, gain=0.3
        )
        base = own if own is not None else GRASS
        sheet = _range(rng, heights, rows, light, base, distance, 2.0, relief=0.3)
        planes.append(Plane(view, sheet, view.horizon - rows + 2, near, near))
    return planes


def _range(
    rng: np.random.Generator,
    heights: Field,
    rows: int,
    light: Light,
    own: Colour,
    distance: float,
    snow_line: float,
    relief: float = 1.0,
) -> Sheet:
    """A range of given heights; above ``snow_line`` of its height lies snow."""
    columns = heights.size
    up = np.linspace(1, 0, rows, dtype=np.float32)[:, None]
    opacity = np.clip((heights[None, :] - up) * rows + 0.5, 0, 1)
    rough = fractal(rng, rows, columns, cells=4, octaves=4, gain=0.5)
    slope = cv2.Sobel(rough, cv2.CV_32F, 1, 0, ksize=3) * rows / 90
    shade = np.clip(
        0.86 + slope * 0.75 * relief + 0.35 * np.gradient(heights)[None, :] * rows / 6, 0.5, 1.15
    )
    snow = np.clip((up + (rough - 0.5) * 0.5 - snow_line) * 9, 0, 1)[..., None]
    ground = (1 - snow) * light.lit(own) + snow * light.lit(SNOW)
    rgb = ground * shade[..., None]
    # Mist lies at the foot.
    misty = np.clip(distance + (1 - distance) * 0.55 * (1 - up / max(0.2, heights.mean())), 0, 0.94)
    rgb = rgb * (1 - misty[..., None]) + light.haze * misty[..., None]
    return sheet_of(rgb, opacity)


def forest(
    rng: np.random.Generator,
    view: View,
    light: Light,
    own: Colour | None,
    *,
    snowy: bool,
    low: bool,
) -> list[Plane]:
    """Rows of conifers, the nearest the tallest; ``low`` leaves what is behind to be seen."""
    planes = []
    rows_of_trees = ((0.66, 0.2, 0.07), (0.42, 0.3, 0.14), (0.16, 0.46, 0.28))
    for distance, size, near in rows_of_trees:
        rows = max(12, round(view.unit * size * (0.45 if low else 1)))
        base = own if own is not None else mixed(PINE, LEAF, 0.25)
        shaded = light.lit(base * np.float32(0.85), distance)
        sheet = _conifers(rng, view, rows, shaded, light.lit(SNOW, distance) if snowy else None)
        foot = view.horizon + round(view.height * 0.16 * near)
        planes.append(Plane(view, sheet, foot - rows + 3, near, near))
    return planes


def _conifers(
    rng: np.random.Generator, view: View, rows: int, own: Colour, snow: Colour | None
) -> Sheet:
    fine = 2
    sheet = np.zeros((rows * fine, view.broad * fine, 4), np.uint8)
    x = -rows * 0.1
    while x < view.broad + rows * 0.1:
        tall = rows * rng.uniform(0.5, 1.0)
        tone = own * np.float32(rng.uniform(0.82, 1.12))
        _conifer(rng, sheet, x * fine, rows * fine, tall * fine, tone, snow)
        x += rows * rng.uniform(0.07, 0.24)
    fade = np.clip(np.linspace(2.2, 0.82, rows * fine), 0, 1).astype(np.float32)
    sheet[..., :3] = (sheet[..., :3] * fade[:, None, None]).astype(np.uint8)
    return shrunk(sheet, fine)


def _conifer(
    rng: np.random.Generator,
    sheet: Sheet,
    x: float,
    foot: float,
    tall: float,
    own: Colour,
    snow: Colour | None,
) -> None:
    """Boughs in tiers, wider further down, drawn from the foot up."""
    tiers, half = 7, tall * rng.uniform(0.15, 0.21)
    for tier in range(tiers, 0, -1):
        low = foot - tall * (1 - tier / tiers) * 0.94 - tall * 0.02
        high = low - tall * 1.9 / tiers
        wide = half * tier / tiers
        lean = wide * 0.12 * (rng.random() - 0.5)
        corners = [(x - wide, low), (x + lean, high), (x + wide, low), (x, low - tall * 0.035)]
        tone = own * np.float32(1.0 - 0.035 * tier)
        _fill(sheet, corners, tone)
        if snow is not None:
            top = [
                (x - wide * 0.55, (low + high) / 2),
                (x + lean, high),
                (x + wide * 0.3, (low + high) / 2),
            ]
            _fill(sheet, top, snow)


def _fill(sheet: Sheet, corners: list[tuple[float, float]], own: Colour) -> None:
    red, green, blue = (float(value) for value in np.clip(own, 0, 255))
    cv2.fillPoly(sheet, [np.array(corners).round().astype(np.int32)], (red, green, blue, 255.0))


def city(
    rng: np.random.Generator, view: View, light: Light, own: Colour | None, *, neon: bool
) -> list[Plane]:
    """Three rows of towers; their windows are lit when it is dark."""
    planes = []
    base = own if own is not None else colour("5c6880")
    glowing = light.dark or light.sun_height < 0.35 or neon
    for distance, size, near in ((0.62, 0.46, 0.06), (0.36, 0.38, 0.11), (0.1, 0.26, 0.19)):
        rows = max(12, round(view.unit * size))
        sheet = _towers(rng, view, rows, light.lit(base * np.float32(0.9), distance), neon, glowing)
        if glowing:
            _sink(sheet, light.haze, 0.5 * distance + 0.12)
        planes.append(Plane(view, sheet, view.horizon - rows + 2, near, near))
    return planes


def _sink(sheet: Sheet, haze: Colour, share: float) -> None:
    """Fade the foot of what stands in haze."""
    down = np.linspace(0, share, sheet.shape[0], dtype=np.float32)[:, None, None]
    opacity = sheet[..., 3:].astype(np.float32) / 255
    sheet[..., :3] = (sheet[..., :3] * (1 - down) + haze * opacity * down).astype(np.uint8)


def _towers(
    rng: np.random.Generator, view: View, rows: int, own: Colour, neon: bool, lit: bool
) -> Sheet:
    sheet: Sheet = np.zeros((rows, view.broad, 4), np.uint8)
    x = 0
    while x < view.broad:
        wide = max(4, round(rows * rng.uniform(0.12, 0.3)))
        tall = max(4, round(rows * rng.uniform(0.3, 1.0) ** 1.25))
        _tower(rng, sheet[rows - tall :, x : x + wide], own, neon, lit)
        if rng.random() < 0.22:
            mast = round(rows * 0.09)
            middle = min(x + wide // 2, view.broad - 1)
            thick = max(1, rows // 160)
            sheet[max(0, rows - tall - mast) : rows - tall, middle : middle + thick] = (
                *np.clip(own * 0.8, 0, 255).astype(np.uint8), 255,
            )  # fmt: skip
        x += wide + (round(rows * rng.uniform(0.0, 0.05)) if rng.random() < 0.5 else 0)
    return sheet


def _tower(rng: np.random.Generator, part: Sheet, own: Colour, neon: bool, lit: bool) -> None:
    rows, columns = part.shape[:2]
    side = np.linspace(1.12, 0.8, columns, dtype=np.float32)[None, :, None]
    tone = own * np.float32(rng.uniform(0.75, 1.1))
    part[..., :3] = np.clip(tone * side, 0, 255).astype(np.uint8)
    part[..., 3] = 255
    cell = max(3, round(columns / rng.integers(4, 8)))
    size = max(1, round(cell * 0.5))
    shown = rng.random((rows // cell + 1, columns // cell + 1)) < (0.36 if lit else 0.8)
    tones = [colour("ff4fa8"), colour("45e0ff"), colour("a06bff")] if neon else [WINDOW]
    glass = tones[rng.integers(len(tones))] if lit else np.clip(tone * 1.2 + 16, 0, 255)
    for row, column in zip(*np.nonzero(shown), strict=True):
        y, x = row * cell + cell // 3, column * cell + cell // 4
        if x + size < columns and y + size < rows:
            bright = rng.uniform(0.55, 1.0) if lit else rng.uniform(0.9, 1.05)
            part[y : y + size, x : x + size, :3] = np.clip(glass * bright, 0, 255).astype(np.uint8)
