"""Placing the things of a scene: where they stand, float or fly, and how they move."""

from collections.abc import Iterator

import cv2
import numpy as np

from gpu_tasks.mediakit.scenes import animals
from gpu_tasks.mediakit.scenes.colours import NAMED, Colour, colour, mixed
from gpu_tasks.mediakit.scenes.elements import Element, Path, Sprite, resting
from gpu_tasks.mediakit.scenes.fire import fire
from gpu_tasks.mediakit.scenes.painting import Sheet
from gpu_tasks.mediakit.scenes.setting import AFLOAT, STANDING, Setting, each
from gpu_tasks.mediakit.scenes.things import balloon
from gpu_tasks.mediakit.scenes.words import Named

THIRDS = (0.36, 0.66, 0.22, 0.8, 0.5, 0.1, 0.92)
"""Where few things stand, as shares of the width."""
SHORE = 0.72
"""Where sand begins, as a share of the height."""
LANE = (0.76, 0.19)
"""Where a road from side to side begins, and its rows, as shares of the height."""
FIRES_AT = (0.5, 0.2, 0.8, 0.35, 0.65)
MOST = 24
FEW = 2
BY_PLACE = {"forest": ("pine", 2), "beach": ("palm", 2), "field": ("flower", 9)}
"""What stands about, and how many, in a place where nothing else was asked for."""
SHADE = 110
"""How dark a shadow is, of 255."""
SOLID = ("landscape", "room", "underwater")
"""Settings with a ground that a shadow can fall on."""


def things(setting: Setting, rng: np.random.Generator) -> Iterator[Element]:
    """All things, from the back to the front."""
    yield from _standing(setting, rng)
    yield from _fires(setting, rng)
    yield from _flying(setting, rng)


def _standing(setting: Setting, rng: np.random.Generator) -> list[Element]:
    told = setting.told
    asked = each([one for one in told.things if one.name in STANDING], MOST)
    if told.caption and not told.has("sign"):
        asked.insert(0, Named("sign"))
    if not asked and not told.things and not setting.snowy:
        asked = _about(setting)
    made = [_placed(setting, rng, one, index, len(asked)) for index, one in enumerate(asked)]
    made.sort(key=lambda sprites: sprites[-1].near)
    return [sprite for sprites in made for sprite in sprites]


def _about(setting: Setting) -> list[Named]:
    for place, (name, count) in BY_PLACE.items():
        if setting.asked(place):
            return [Named(name)] * count
    return []


def _placed(
    setting: Setting, rng: np.random.Generator, one: Named, index: int, count: int
) -> list[Sprite]:
    """A thing on its shadow: few stand large and by thirds, many spread over the depth."""
    view = setting.view
    painter, tall = STANDING[one.name]
    if count <= FEW:
        x, near = THIRDS[index], 0.72 - 0.12 * index
    else:
        # Multiples of irrational numbers spread evenly, however many there are.
        x = 0.04 + 0.92 * ((index * 0.618034 + rng.random() * 0.1 + 0.2) % 1)
        near = 0.2 + 0.68 * ((index * 0.754877 + 0.3) % 1)
    scale = (0.45 + 0.75 * near) * (1.25 if count == 1 else 1.0)
    height = max(8, round(view.unit * tall * scale))
    sheet = painter(rng, height, setting.light, _colour(setting, rng, one))
    if one.name == "sign" and setting.told.caption:
        write(sheet, setting.told.caption)
    foot, path = _foot(setting, one.name, near), _path(setting, one.name, near)
    left = x * view.width - sheet.shape[1] / 2
    thing = Sprite(sheet, left, foot - height, near, path)
    return [*_below(setting, one.name, thing, foot), thing]


def _colour(setting: Setting, rng: np.random.Generator, one: Named) -> Colour | None:
    if one.colour:
        return NAMED[one.colour]
    if one.name == "tree" and setting.season is not None:
        return mixed(colour("c2541f"), colour("d9a02f"), rng.random())
    return None


def _below(setting: Setting, name: str, thing: Sprite, foot: float) -> list[Sprite]:
    """The mirror image of what floats, else a shadow."""
    rows, columns = thing.sheet.shape[:2]
    if name == "boat" and setting.wet:
        fade = np.linspace(0.5, 0, rows // 2)[:, None, None]
        mirrored = (thing.sheet[::-1][: rows // 2] * fade).astype(np.uint8)
        return [Sprite(mirrored, thing.left, foot - rows * 0.03, thing.near, thing.path)]
    if setting.kind not in SOLID:
        return []
    tall = max(3, rows // 14)
    y, x = np.mgrid[-1 : 1 : tall * 2j, -1 : 1 : columns * 1j].astype(np.float32)
    dark: Sheet = np.zeros((tall * 2, columns, 4), np.uint8)
    dark[..., 3] = (SHADE * np.clip(1 - x**2 - y**2, 0, 1)).astype(np.uint8)
    return [Sprite(dark, thing.left, foot - tall * 1.15, thing.near, thing.path)]


def _foot(setting: Setting, name: str, near: float) -> float:
    """The row on which a thing stands."""
    view = setting.view
    top, bottom = view.horizon / view.height, 0.985
    if setting.wet and setting.ashore:
        top, bottom = (top, SHORE + 0.02) if name in AFLOAT else (SHORE + 0.06, bottom)
    elif name == "boat":
        near *= 0.6
    if name == "car":
        top, bottom = LANE[0] + 0.02, LANE[0] + LANE[1] * 0.95
    return view.height * (top + (bottom - top) * near)


def _path(setting: Setting, name: str, near: float) -> Path:
    unit = setting.view.height
    if name == "boat":
        return lambda t: (0.012 * unit * t, 0.006 * unit * float(np.sin(1.4 * t + near * 9)))
    if name == "car":
        return lambda t: (0.16 * unit * (0.5 + near) * t, 0.0)
    return resting


def _fires(setting: Setting, rng: np.random.Generator) -> Iterator[Element]:
    view = setting.view
    asked = each([one for one in setting.told.things if one.name == "fire"], len(FIRES_AT))
    size = round(view.unit * (0.3 if len(asked) == 1 else 0.18))
    for x, _ in zip(FIRES_AT, asked, strict=False):
        yield from fire(rng, (x * view.width, view.height * 0.9), size)


def _flying(setting: Setting, rng: np.random.Generator) -> Iterator[Element]:
    view, light = setting.view, setting.light
    for one in setting.told.things:
        own = NAMED[one.colour] if one.colour else None
        if one.name == "bird":
            yield from animals.birds(rng, view, light, one.count or 3, own)
        elif one.name == "fish":
            yield from animals.school(rng, view, light, one.count or 6, own)
    floating = each([one for one in setting.told.things if one.name == "balloon"], MOST)
    # The nearest comes last, before the others.
    for index in reversed(range(len(floating))):
        yield _balloon(setting, rng, floating[index], index, len(floating))


def _balloon(
    setting: Setting, rng: np.random.Generator, one: Named, index: int, count: int
) -> Sprite:
    view = setting.view
    size = view.unit * (0.42 if count == 1 else 0.3 / (1 + 0.28 * index) + 0.05)
    sheet = balloon(rng, round(size), setting.light, NAMED[one.colour] if one.colour else None)
    x = THIRDS[index % len(THIRDS)] + rng.uniform(-0.03, 0.03)
    y = view.horizon * (0.12 + 0.45 * ((index * 0.618034) % 1))
    rise, phase = view.height * 0.008, rng.uniform(0, 6.3)

    def path(seconds: float) -> tuple[float, float]:
        return rise * 0.6 * seconds, rise * (float(np.sin(0.7 * seconds + phase)) - 0.8 * seconds)

    near = 0.15 + 0.3 / (1 + index)
    return Sprite(sheet, x * view.width - sheet.shape[1] / 2, y, near, path)


def write(sheet: Sheet, text: str) -> None:
    """Write on a sign, as large as fits."""
    face = cv2.FontFace("sans")
    rows, columns = sheet.shape[:2]
    size, weight = rows, 600
    box = cv2.getTextSize((0, 0), text, (0, 0), face, size, weight)
    while size > 4 and (box[2] > columns * 0.82 or box[3] > rows * 0.42):
        size = int(size * 0.9)
        box = cv2.getTextSize((0, 0), text, (0, 0), face, size, weight)
    left = round((columns - box[2]) / 2 - box[0])
    base = round(rows * 0.355 - box[3] / 2 - box[1])
    cv2.putText(sheet, text, (left, base), (38, 34, 40, 255), face, size, weight)
