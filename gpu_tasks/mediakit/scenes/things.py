"""Things, each painted upright on a sheet whose lower edge is where it stands."""

import itertools
from collections.abc import Callable

import numpy as np

from gpu_tasks.mediakit.scenes.colours import Colour, Light, colour, mixed
from gpu_tasks.mediakit.scenes.painting import Point, Sheet, Sketch

Painter = Callable[[np.random.Generator, int, Light, Colour | None], Sheet]
"""Paints a thing of a height in pixels; the colour is its own, if one was said."""

TRUNK, LEAF, PINE = colour("5d4433"), colour("568f3e"), colour("2f5a3c")
HULL, SAIL, GLASS = colour("7a3b2e"), colour("f4efe2"), colour("9fc0d4")
SHADOW = colour("23262e")
BRIGHT = tuple(
    colour(code) for code in ("d94a3d", "f0a83a", "3f7fc4", "e6cf4a", "5aa05a", "a04f9e")
)


def _or_bright(rng: np.random.Generator, own: Colour | None) -> Colour:
    return own if own is not None else BRIGHT[rng.integers(len(BRIGHT))]


def tree(rng: np.random.Generator, height: int, light: Light, own: Colour | None) -> Sheet:
    """A trunk with boughs under a crown of many round clusters, lit from above."""
    sketch = Sketch(height, 0.95)
    bark = light.lit(TRUNK)
    leaf = own if own is not None else mixed(LEAF, colour("88a548"), rng.random() * 0.5)
    sketch.polygon([(0.435, 1), (0.46, 0.5), (0.49, 0.5), (0.52, 1)], bark)
    for side in (-1, 1):
        sketch.line([(0.475, 0.7), (0.475 + side * 0.14, 0.5)], 0.022, bark)
    for layer in range(5):
        tone = light.lit(leaf) * np.float32(0.58 + 0.13 * layer)
        for _ in range(26):
            angle, far = rng.uniform(0, 6.3), rng.random() ** 0.5
            x = 0.475 + np.cos(angle) * far * (0.33 - 0.03 * layer) - 0.022 * layer
            y = 0.36 + np.sin(angle) * far * (0.25 - 0.025 * layer) - 0.03 * layer
            size = rng.uniform(0.035, 0.085) * (1 - 0.09 * layer)
            sketch.ellipse((x, y), (size, size * 0.86), tone * np.float32(rng.uniform(0.94, 1.06)))
    return sketch.done()


def pine(rng: np.random.Generator, height: int, light: Light, own: Colour | None) -> Sheet:
    """A conifer of eight tiers."""
    sketch = Sketch(height, 0.6)
    needles = light.lit(own if own is not None else PINE)
    sketch.rectangle((0.28, 0.85), (0.32, 1.0), light.lit(TRUNK))
    for tier in range(8, 0, -1):
        low = 0.92 - (8 - tier) * 0.1
        half = 0.28 * tier / 8
        tips = [(0.3 + half * k / 4, low + 0.025 * (k % 2)) for k in range(-4, 5)]
        tone = needles * np.float32(0.85 + 0.035 * (8 - tier))
        sketch.polygon([(0.3, max(0.01, low - 0.21)), *reversed(tips)], tone)
        shade = [(0.3, max(0.01, low - 0.21)), (0.3 + half, low), (0.3, low)]
        sketch.polygon(shade, tone * np.float32(0.84))
    return sketch.done()


def palm(rng: np.random.Generator, height: int, light: Light, own: Colour | None) -> Sheet:
    """A bent trunk with nine feathered fronds."""
    sketch = Sketch(height, 0.9)
    lean = rng.uniform(-0.16, 0.16)
    at = np.linspace(0, 1, 24)
    trunk = [(0.45 + lean * (s**1.7), 1 - 0.72 * s) for s in at]
    for index, (start, end) in enumerate(itertools.pairwise(trunk)):
        tone = light.lit(colour("8a6b4c")) * np.float32(0.82 + 0.2 * (index % 2))
        sketch.line([start, end], 0.046 - 0.001 * index, tone)
    leaf = light.lit(own if own is not None else colour("3f7f3f"))
    for angle in np.linspace(-3.0, -0.15, 11):
        _frond(sketch, trunk[-1], float(angle), leaf * np.float32(rng.uniform(0.75, 1.15)))
    return sketch.done()


def _frond(sketch: Sketch, base: Point, angle: float, own: Colour) -> None:
    reach = 0.36
    spine = []
    for s in np.linspace(0, 1, 12):
        x = base[0] + np.cos(angle) * reach * s
        y = base[1] + np.sin(angle) * reach * s * 0.75 + 0.3 * s * s
        spine.append((float(x), float(y)))
    for index, (start, end) in enumerate(itertools.pairwise(spine)):
        wide = 0.11 * np.sin(np.pi * (index + 1) / 12.5)
        tip = (end[0] + 0.02 * np.sign(np.cos(angle)), end[1] + wide)
        sketch.polygon([start, end, tip], own)
        sketch.polygon([start, end, (end[0], end[1] - wide * 0.45)], own * np.float32(1.15))


def flower(rng: np.random.Generator, height: int, light: Light, own: Colour | None) -> Sheet:
    """A stem with two leaves and a blossom of eight petals."""
    sketch = Sketch(height, 0.6)
    stem = light.lit(colour("4c7d36"))
    petal = light.lit(_or_bright(rng, own))
    lean = rng.uniform(-0.05, 0.05)
    head = (0.3 + lean, 0.24)
    sketch.line([(0.3, 1.0), (0.3 + lean / 3, 0.6), head], 0.022, stem)
    for side in (-1, 1):
        sketch.ellipse((0.3 + side * 0.09, 0.72), (0.1, 0.028), stem, angle=side * -38)
    for ring, size in ((0, 1.0), (1, 0.72)):
        for index in range(8):
            angle = index * np.pi / 4 + ring * 0.4
            at = (head[0] + np.cos(angle) * 0.11 * size, head[1] + np.sin(angle) * 0.11 * size)
            sketch.ellipse(
                at, (0.1 * size, 0.058 * size),
                petal * np.float32(0.86 + 0.14 * ring + 0.02 * (index % 3)),
                angle=float(np.degrees(angle)),
            )  # fmt: skip
    sketch.ellipse(head, (0.055, 0.055), light.lit(colour("f2c14a")))
    return sketch.done()


def boat(rng: np.random.Generator, height: int, light: Light, own: Colour | None) -> Sheet:
    """A sailing boat with a main sail and a jib."""
    del rng
    sketch = Sketch(height, 0.95)
    sail = light.lit(own if own is not None else SAIL)
    hull = light.lit(HULL)
    sketch.line([(0.47, 0.04), (0.47, 0.84)], 0.014, hull * np.float32(0.7))
    sketch.polygon([(0.49, 0.05), (0.53, 0.3), (0.8, 0.76), (0.49, 0.76)], sail)
    sketch.polygon([(0.49, 0.05), (0.53, 0.3), (0.6, 0.76), (0.49, 0.76)], sail * np.float32(0.9))
    sketch.polygon([(0.45, 0.12), (0.45, 0.76), (0.17, 0.77)], sail * np.float32(0.95))
    sketch.polygon([(0.1, 0.81), (0.88, 0.81), (0.77, 0.97), (0.25, 0.97)], hull)
    sketch.polygon(
        [(0.1, 0.81), (0.88, 0.81), (0.86, 0.85), (0.13, 0.85)], light.lit(SAIL) * np.float32(0.85)
    )
    return sketch.done()


def car(rng: np.random.Generator, height: int, light: Light, own: Colour | None) -> Sheet:
    """A small car, seen from the side."""
    sketch = Sketch(height, 2.3)
    paint = light.lit(_or_bright(rng, own))
    sketch.polygon([(0.5, 0.42), (0.8, 0.1), (1.5, 0.1), (1.84, 0.42)], paint * np.float32(0.92))
    sketch.polygon([(0.63, 0.4), (0.84, 0.17), (1.1, 0.17), (1.1, 0.4)], light.lit(GLASS))
    sketch.polygon([(1.16, 0.4), (1.16, 0.17), (1.46, 0.17), (1.68, 0.4)], light.lit(GLASS))
    body = [
        (0.1, 0.74),
        (0.11, 0.52),
        (0.22, 0.44),
        (0.55, 0.4),
        (1.8, 0.4),
        (2.12, 0.48),
        (2.2, 0.58),
        (2.2, 0.76),
    ]
    sketch.polygon(body, paint)
    sketch.rectangle((0.1, 0.66), (2.2, 0.78), paint * np.float32(0.72))
    for x in (0.56, 1.75):
        sketch.ellipse((x, 0.78), (0.2, 0.2), SHADOW * np.float32(0.8))
        sketch.ellipse((x, 0.78), (0.1, 0.1), light.lit(colour("c9ccd2")))
    lamp = colour("fff0b8") if light.dark else light.lit(colour("f7ecd0"))
    sketch.ellipse((2.15, 0.55), (0.05, 0.06), lamp)
    sketch.ellipse((0.14, 0.55), (0.035, 0.06), light.lit(colour("c03030")))
    return sketch.done()


def person(rng: np.random.Generator, height: int, light: Light, own: Colour | None) -> Sheet:
    """Somebody who stands, seen from behind."""
    sketch = Sketch(height, 0.46)
    coat = light.lit(_or_bright(rng, own)) * np.float32(0.9)
    dark, skin = light.lit(colour("343844")), light.lit(colour("c99878"))
    hair = light.lit((colour("3b2a20"), colour("6b4a2c"), colour("20201f"))[rng.integers(3)])
    for side in (-1, 1):
        hip, foot = 0.23 + side * 0.035, 0.23 + side * 0.055
        sketch.line([(hip, 0.56), (foot, 0.96)], 0.06, dark)
        sketch.ellipse((foot, 0.975), (0.036, 0.02), dark * np.float32(0.7))
        sketch.line(
            [(0.23 + side * 0.1, 0.25), (0.23 + side * 0.14, 0.52)], 0.045, coat * np.float32(0.85)
        )
        sketch.ellipse((0.23 + side * 0.14, 0.54), (0.022, 0.028), skin)
    sketch.polygon(
        [(0.12, 0.24), (0.16, 0.2), (0.3, 0.2), (0.34, 0.24), (0.32, 0.6), (0.14, 0.6)], coat
    )
    sketch.polygon(
        [(0.26, 0.2), (0.3, 0.2), (0.34, 0.24), (0.32, 0.6), (0.26, 0.6)], coat * np.float32(0.85)
    )
    sketch.rectangle((0.21, 0.15), (0.25, 0.21), skin)
    sketch.ellipse((0.23, 0.1), (0.06, 0.073), skin)
    sketch.ellipse((0.23, 0.085), (0.065, 0.068), hair)
    return sketch.done()


def balloon(rng: np.random.Generator, height: int, light: Light, own: Colour | None) -> Sheet:
    """A hot air balloon in two colours."""
    sketch = Sketch(height, 0.74)
    one = light.lit(_or_bright(rng, own))
    other = light.lit(colour("f5ecd8")) if rng.random() < 0.6 else one * np.float32(0.75)
    shape = [(0.37 + 0.34 * np.sin(a), 0.37 - 0.35 * np.cos(a)) for a in np.linspace(0, 2.3, 20)]
    outer = [*shape, (0.43, 0.75), (0.37, 0.75)]
    for index, share in enumerate((1.0, 0.78, 0.5, 0.2)):
        tone = (one if index % 2 == 0 else other) * np.float32(1.0 - 0.05 * (3 - index))
        right = [(0.37 + (x - 0.37) * share, y) for x, y in outer]
        left = [(0.37 - (x - 0.37) * share, y) for x, y in outer]
        sketch.polygon(right, tone * np.float32(0.82))
        sketch.polygon(left, tone)
    rope = light.lit(TRUNK) * np.float32(0.7)
    for side in (-1, 1):
        sketch.line([(0.37 + side * 0.055, 0.75), (0.37 + side * 0.04, 0.88)], 0.006, rope)
    sketch.rectangle((0.325, 0.75), (0.415, 0.77), rope)
    sketch.rectangle((0.325, 0.88), (0.415, 0.98), light.lit(colour("8a5f38")))
    return sketch.done()


def house(rng: np.random.Generator, height: int, light: Light, own: Colour | None) -> Sheet:
    """A house with a gable, a door, windows and a chimney."""
    sketch = Sketch(height, 1.25)
    wall = light.lit(
        own if own is not None else mixed(colour("f0e2c8"), colour("c98f6a"), rng.random())
    )
    roof = light.lit(colour("8f4436"))
    sketch.rectangle((0.86, 0.1), (0.96, 0.4), roof * np.float32(0.7))
    sketch.rectangle((0.16, 0.46), (0.74, 1), wall)
    sketch.rectangle((0.74, 0.46), (1.12, 1), wall * np.float32(0.8))
    sketch.polygon([(0.16, 0.47), (0.45, 0.12), (0.74, 0.47)], wall)
    sketch.polygon([(0.45, 0.1), (0.92, 0.16), (1.2, 0.5), (0.76, 0.5)], roof)
    sketch.line([(0.1, 0.53), (0.45, 0.11), (0.78, 0.51)], 0.035, roof * np.float32(0.8))
    pane = colour("ffd27a") if light.dark or light.sun_height < 0.35 else light.lit(GLASS)
    for x, y in ((0.24, 0.6), (0.86, 0.62), (0.39, 0.3)):
        sketch.rectangle((x - 0.012, y - 0.012), (x + 0.132, y + 0.142), light.lit(SAIL))
        sketch.rectangle((x, y), (x + 0.12, y + 0.13), pane)
        sketch.line([(x + 0.06, y), (x + 0.06, y + 0.13)], 0.01, light.lit(SAIL))
    sketch.rectangle((0.52, 0.66), (0.66, 1), light.lit(colour("5f3f2c")))
    return sketch.done()


def sign(rng: np.random.Generator, height: int, light: Light, own: Colour | None) -> Sheet:
    """A board on two posts, without its words."""
    del rng
    sketch = Sketch(height, 1.5)
    wood = light.lit(colour("6b4a32"))
    for x in (0.35, 1.15):
        sketch.rectangle((x - 0.03, 0.3), (x + 0.03, 1), wood)
    sketch.rectangle((0.04, 0.05), (1.46, 0.66), wood * np.float32(0.8))
    sketch.rectangle(
        (0.07, 0.085), (1.43, 0.625), light.lit(own if own is not None else colour("f1e7cf"))
    )
    return sketch.done()


def lighthouse(rng: np.random.Generator, height: int, light: Light, own: Colour | None) -> Sheet:
    """A tower in red and white on a rock, its lamp lit."""
    del rng
    sketch = Sketch(height, 0.6)
    red = light.lit(own if own is not None else colour("c4423a"))
    white = light.lit(SAIL)
    rock = light.lit(colour("5b5a5c"))
    sketch.polygon(
        [(0.02, 1), (0.1, 0.92), (0.24, 0.88), (0.42, 0.9), (0.52, 0.94), (0.58, 1)], rock
    )
    for index in range(5):
        y0, y1 = 0.24 + index * 0.133, 0.24 + (index + 1) * 0.133
        w0, w1 = 0.062 + 0.009 * index, 0.062 + 0.009 * (index + 1)
        tone = white if index % 2 else red
        sketch.polygon([(0.3 - w0, y0), (0.3 + w0, y0), (0.3 + w1, y1), (0.3 - w1, y1)], tone)
        sketch.polygon(
            [(0.32, y0), (0.3 + w0, y0), (0.3 + w1, y1), (0.32, y1)], tone * np.float32(0.8)
        )
    sketch.rectangle((0.21, 0.215), (0.39, 0.245), SHADOW)
    sketch.rectangle((0.25, 0.12), (0.35, 0.22), colour("ffe9a3"))
    sketch.polygon([(0.23, 0.125), (0.3, 0.04), (0.37, 0.125)], red)
    return sketch.done()


def windmill(rng: np.random.Generator, height: int, light: Light, own: Colour | None) -> Sheet:
    """A tower mill with four sails."""
    sketch = Sketch(height, 0.8)
    wall = light.lit(own if own is not None else colour("efe6d4"))
    sketch.polygon([(0.3, 1), (0.34, 0.36), (0.46, 0.36), (0.5, 1)], wall)
    sketch.polygon([(0.42, 0.36), (0.46, 0.36), (0.5, 1), (0.43, 1)], wall * np.float32(0.82))
    sketch.polygon([(0.32, 0.37), (0.4, 0.25), (0.48, 0.37)], light.lit(colour("7a4a38")))
    start = rng.uniform(0, 1.5)
    for index in range(4):
        angle = start + index * np.pi / 2
        out = np.array([np.cos(angle), np.sin(angle)])
        across = np.array([-out[1], out[0]]) * 0.055
        hub = np.array([0.4, 0.36])
        corners = [
            hub + out * 0.08,
            hub + out * 0.35,
            hub + out * 0.35 + across,
            hub + out * 0.08 + across,
        ]
        sketch.line([(0.4, 0.36), tuple((hub + out * 0.35).tolist())], 0.013, light.lit(TRUNK))
        sketch.polygon(
            [(float(x), float(y)) for x, y in corners], light.lit(SAIL) * np.float32(0.92)
        )
    sketch.rectangle((0.375, 0.86), (0.425, 1), light.lit(TRUNK))
    return sketch.done()


STANDING: dict[str, tuple[Painter, float]] = {
    "tree": (tree, 0.5), "pine": (pine, 0.5), "palm": (palm, 0.55), "flower": (flower, 0.2),
    "car": (car, 0.15), "person": (person, 0.27), "house": (house, 0.3), "sign": (sign, 0.46),
    "lighthouse": (lighthouse, 0.55), "windmill": (windmill, 0.48), "boat": (boat, 0.3),
}  # fmt: skip
"""What stands on the ground or floats, and its height near by, as a share of the picture's."""
