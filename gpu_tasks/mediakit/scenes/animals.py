"""Animals: four-footed ones that stand, birds that beat their wings, fish that swim."""

import numpy as np

from gpu_tasks.mediakit.scenes.colours import Colour, Light, colour
from gpu_tasks.mediakit.scenes.elements import Frames, View
from gpu_tasks.mediakit.scenes.painting import Point, Sheet, Sketch
from gpu_tasks.mediakit.scenes.things import BRIGHT, Painter

DARK = colour("2b2d36")
MANE_FROM = 0.2
"""A neck as long as this has a mane."""


def cat(rng: np.random.Generator, height: int, light: Light, own: Colour | None) -> Sheet:
    """A cat that sits, seen from behind, looking aside."""
    fur = light.lit(
        own if own is not None else (colour("c98a4b"), DARK, colour("8d8a86"))[rng.integers(3)]
    )
    sketch = Sketch(height, 0.8)
    dark = fur * np.float32(0.78)
    tail = [(0.55, 0.93), (0.68, 0.95), (0.75, 0.86), (0.72, 0.72), (0.76, 0.64)]
    sketch.line(tail, 0.055, dark)
    sketch.ellipse((0.38, 0.76), (0.23, 0.24), fur)
    sketch.polygon([(0.2, 0.72), (0.27, 0.36), (0.47, 0.36), (0.56, 0.72)], fur)
    sketch.ellipse((0.37, 0.28), (0.16, 0.135), fur)
    for side in (-1, 1):
        x = 0.37 + side * 0.1
        sketch.polygon([(x - 0.06, 0.23), (x + side * 0.04, 0.06), (x + 0.06, 0.2)], fur)
        sketch.polygon([(x - 0.03, 0.2), (x + side * 0.03, 0.1), (x + 0.03, 0.18)], dark)
    for x in (0.29, 0.42):
        sketch.ellipse((x, 0.975), (0.07, 0.028), dark)
    for y in (0.5, 0.6, 0.7):
        sketch.ellipse((0.5, y), (0.07, 0.014), dark, angle=-20)
    return sketch.done()


def dog(rng: np.random.Generator, height: int, light: Light, own: Colour | None) -> Sheet:
    """A dog that stands, from the side."""
    coats = (colour("a8743f"), colour("3a332f"), colour("d8c3a0"))
    return _quadruped(
        height, light.lit(own if own is not None else coats[rng.integers(3)]), neck=0.16, ear=0.14
    )


def horse(rng: np.random.Generator, height: int, light: Light, own: Colour | None) -> Sheet:
    """A horse that stands, from the side."""
    coats = (colour("7a4a2a"), colour("3b2a22"), colour("e4ddd0"))
    return _quadruped(
        height, light.lit(own if own is not None else coats[rng.integers(3)]), neck=0.3, ear=0.06
    )


def _quadruped(height: int, fur: Colour, *, neck: float, ear: float) -> Sheet:
    """Body, four legs, a neck, a long head and a tail, looking to the right."""
    sketch = Sketch(height, 1.25)
    dark = fur * np.float32(0.76)
    for hip, tone in ((0.38, dark), (0.84, dark), (0.28, fur), (0.93, fur)):
        knee = hip + (0.02 if hip > 0.6 else -0.03)
        sketch.polygon(
            [(hip - 0.07, 0.56), (hip + 0.07, 0.56), (knee + 0.035, 0.78), (knee - 0.03, 0.78)],
            tone,
        )
        sketch.line([(knee, 0.76), (hip, 0.96)], 0.045, tone)
        sketch.ellipse((hip + 0.015, 0.975), (0.042, 0.022), tone * np.float32(0.7))
    sketch.line([(0.2, 0.46), (0.12, 0.52), (0.09, 0.7)], 0.04, dark)
    sketch.ellipse((0.33, 0.5), (0.16, 0.145), fur)
    sketch.ellipse((0.62, 0.5), (0.34, 0.125), fur)
    sketch.ellipse((0.86, 0.5), (0.15, 0.15), fur)
    _head(sketch, 0.4 - neck, fur, ear)
    if neck > MANE_FROM:
        top = 0.4 - neck
        mane = [(0.72, 0.41), (0.92, top - 0.05), (0.97, top - 0.02), (0.82, 0.42)]
        sketch.polygon(mane, dark * np.float32(0.6))
    return sketch.done()


def _head(sketch: Sketch, top: float, fur: Colour, ear: float) -> None:
    """The head at a height, on its neck."""
    dark = fur * np.float32(0.76)
    sketch.polygon([(0.74, 0.42), (0.95, top - 0.02), (1.07, top + 0.07), (0.99, 0.54)], fur)
    sketch.ellipse((1.04, top + 0.03), (0.1, 0.075), fur)
    forehead, nose = [(0.99, top - 0.03), (1.09, top - 0.02)], [(1.21, top + 0.07)]
    sketch.polygon([*forehead, *nose, (1.2, top + 0.12), (1.04, top + 0.1)], fur)
    sketch.ellipse((1.19, top + 0.095), (0.035, 0.035), dark)
    sketch.ellipse((1.08, top + 0.015), (0.014, 0.016), DARK)
    sketch.polygon([(0.94, top), (0.96, top - ear), (1.01, top - 0.02)], dark)


STANDING: dict[str, tuple[Painter, float]] = {
    "cat": (cat, 0.3), "dog": (dog, 0.24), "horse": (horse, 0.34),
}  # fmt: skip


def birds(
    rng: np.random.Generator, view: View, light: Light, count: int, own: Colour | None
) -> list[Frames]:
    """Birds that cross the sky in a loose flock."""
    tone = light.lit(own) if own is not None else light.lit(DARK, 0.12)
    centre = rng.uniform(0.3, 0.6), rng.uniform(0.22, 0.42)
    made = []
    for index in range(count):
        size = max(10, round(view.unit * rng.uniform(0.05, 0.085) * (1.5 if count < 3 else 1)))
        away = index * 2.4
        x = centre[0] + 0.055 * np.sqrt(index) * np.cos(away) * 1.7
        y = centre[1] + 0.05 * np.sqrt(index) * np.sin(away)
        made.append(_bird(rng, view, (x * view.width, y * view.horizon * 1.2), size, tone))
    return made


def _bird(rng: np.random.Generator, view: View, place: Point, size: int, own: Colour) -> Frames:
    beat, phase = rng.uniform(2.2, 3.4), rng.uniform(0, 6.3)
    speed = view.height * rng.uniform(0.05, 0.065)

    def paint(seconds: float) -> Sheet:
        wings = np.sin(beat * 2 * np.pi * seconds + phase)
        sketch = Sketch(size, 1.6)
        for side in (-1, 1):
            elbow = (0.8 + side * 0.32, 0.5 - 0.2 * wings)
            tip = (0.8 + side * 0.7, 0.5 - 0.16 * wings + 0.16 * abs(wings))
            sketch.polygon([(0.8, 0.47), elbow, tip, (elbow[0], elbow[1] + 0.09), (0.8, 0.6)], own)
        sketch.ellipse((0.8, 0.53), (0.15, 0.065), own, angle=-6)
        return sketch.done()

    return Frames(
        paint, place[0], place[1], 0.12,
        lambda seconds: (speed * seconds, view.height * 0.006 * float(np.sin(seconds + phase))),
    )  # fmt: skip


def school(
    rng: np.random.Generator, view: View, light: Light, count: int, own: Colour | None
) -> list[Frames]:
    """Fish that swim to both sides, larger in front."""
    made = []
    for index in range(count):
        near = (index + 0.5) / count
        size = round(view.unit * (0.05 + 0.09 * near) * (1.6 if count < 3 else 1))
        tone = light.lit(
            own if own is not None else BRIGHT[rng.integers(len(BRIGHT))], 0.45 * (1 - near)
        )
        place = rng.uniform(0.08, 0.85) * view.width, rng.uniform(0.2, 0.72) * view.height
        made.append(_fish(rng, view, place, max(10, size), tone, near))
    return made


def _fish(
    rng: np.random.Generator, view: View, place: Point, size: int, own: Colour, near: float
) -> Frames:
    way, phase = (1 if rng.random() < 0.5 else -1), rng.uniform(0, 6.3)
    speed = way * view.height * rng.uniform(0.03, 0.06)

    def paint(seconds: float) -> Sheet:
        wag = 0.12 * np.sin(7 * seconds + phase)
        sketch = Sketch(size, 1.7)
        sketch.polygon(
            [(0.5, 0.5), (0.12, 0.22 + wag), (0.22, 0.5 + wag), (0.12, 0.8 + wag)],
            own * np.float32(0.8),
        )
        sketch.polygon([(0.65, 0.28), (0.88, 0.08), (1.1, 0.3)], own * np.float32(0.85))
        sketch.ellipse((0.92, 0.5), (0.52, 0.27), own)
        sketch.ellipse((0.9, 0.6), (0.44, 0.15), np.minimum(own * np.float32(1.25), 255))
        sketch.polygon([(0.95, 0.5), (0.66, 0.66 + wag / 2), (0.76, 0.46)], own * np.float32(0.88))
        sketch.ellipse((1.24, 0.43), (0.055, 0.055), colour("fbfbf6"))
        sketch.ellipse((1.255, 0.43), (0.028, 0.028), DARK)
        sheet = sketch.done()
        return sheet if way > 0 else np.ascontiguousarray(sheet[:, ::-1])

    return Frames(
        paint, place[0], place[1], 0.2 + 0.4 * near,
        lambda t: (speed * t, view.height * 0.01 * float(np.sin(1.1 * t + phase))),
    )  # fmt: skip
