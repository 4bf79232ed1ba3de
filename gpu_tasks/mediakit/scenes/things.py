"""Things, drawn from the shapes in ``things.txt``: where they stand or fly, and how they move."""

import re
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from gpu_tasks.mediakit.film import Frame
from gpu_tasks.mediakit.scenes.stage import HORIZON, Colour, Stage, parse_colour
from gpu_tasks.mediakit.scenes.words import MAX_OF_A_KIND, NamedItem

SHORE, LAND = 0.72, 0.78
"""Where sand begins in front of water, and where things stand on it, as shares of the height."""
BRIGHT = ("d13b3b", "f0a83a", "3f7fc4", "e6cf4a", "5aa05a", "a04f9e")

Shape = tuple[str, str, NDArray[np.float64]]
Drawing = tuple[float, str, float, float, float, list[Shape]]


def _read_drawings() -> Iterator[tuple[str, Drawing]]:
    table = Path(__file__).with_name("things.txt").read_text()
    for text in re.findall(r"^\w.*(?:\n .*)+", table, re.MULTILINE):
        head, *shapes = text.splitlines()
        name, tall, code, *position = head.split()
        drawing = []
        for paint, *points in map(str.split, shapes):
            kind = "" if "," in points[0] else points.pop(0)
            vertices = np.array([point.split(",") for point in points], np.float64)
            drawing.append((paint, kind, vertices))
        highest, lowest, speed = map(float, position or (HORIZON, 0.985, 0))
        yield name, (float(tall), code, highest, lowest, speed, drawing)


DRAWINGS = dict(_read_drawings())


def is_standing(name: str) -> bool:
    """Return whether this thing stands on the ground."""
    return name in DRAWINGS and DRAWINGS[name][2] == HORIZON


def draw_thing(
    stage: Stage, name: str, foot: tuple[float, float], height: float, main_colour: Colour
) -> None:
    """Draw a thing with a height in pixels."""
    sway = {"fire": 7 * np.sin(8 * stage.seconds), "weed": 14 * np.sin(stage.seconds + foot[0])}
    for paint, kind, points in DRAWINGS[name][-1]:
        bent = points + np.outer((points[:, 1] / 100) ** 2, (sway.get(name, 0), 0))
        vertices = foot + bent * (height / 100, -height / 100)
        tone = _get_tone(stage, paint, main_colour)
        if kind == "oval":
            stage.oval(vertices[0], points[1] * (height / 100), tone)
        elif kind:
            stage.line(vertices, float(kind.removeprefix("line")) * height / 100, tone)
        else:
            stage.polygon(vertices, tone)


def _get_tone(stage: Stage, paint: str, main_colour: Colour) -> Colour:
    if paint == "~":
        paint = "9fc0d4" if "day" in stage.prompt.drawn_names else "!ffd27a"
    if paint.startswith("!"):
        return parse_colour(paint[1:])
    if paint.startswith("*"):
        return main_colour * (float(paint[1:] or 100) / 100) * stage.light.tint / 255
    return stage.choose_colour(paint)


def draw_row(
    stage: Stage, name: str, count: int, height: float, foot: float, place_name: str = ""
) -> None:
    """Draw ``count`` things of a place side by side, up to a height.

    Their feet stand about on one row; a single thing stands in the middle.
    """
    main_colour = stage.choose_colour(DRAWINGS[name][1], place_name, lit=False)
    for x, size, shade in stage.rng.random((count, 3)) if count > 1 else [(0.5, 1, 0.8)]:
        position = (x * stage.width, (foot + 0.03 * size) * stage.height)
        draw_thing(
            stage, name, position, height * (0.4 + 0.6 * size), main_colour * (0.8 + 0.25 * shade)
        )


def draw_all(stage: Stage, items: list[NamedItem]) -> None:
    """Draw things from the back to the front, those that stand on the ground on land."""
    usual_counts = {"bird": 3, "fish": 6}
    copies = [
        thing
        for thing in items
        if thing.name in DRAWINGS
        for _ in range(thing.count or usual_counts.get(thing.name, 1))
    ][:MAX_OF_A_KIND]
    # Multiples of irrational numbers spread evenly, however many there are.
    nears = [(0.72 + 0.754877 * index) % 1 for index in range(len(copies))]
    for index in np.argsort(nears):
        across = 0.06 + 0.88 * ((0.36 + 0.569840 * index) % 1)
        _draw_at(stage, copies[index], across, 0.2 + 0.7 * nears[index])


def _draw_at(stage: Stage, thing: NamedItem, x: float, near: float) -> None:
    tall, code, highest, lowest, speed, _ = DRAWINGS[thing.name]
    height, is_grounded = stage.unit * tall * (0.5 + 0.75 * near), is_standing(thing.name)
    phase, bright = stage.rng.uniform(0, 6.3), str(stage.rng.choice(BRIGHT))
    top = LAND if is_grounded and "shore" in stage.prompt.drawn_names else highest
    bob = 0.012 * float(np.sin(1.4 * stage.seconds + phase)) if speed else 0.0
    across = x * stage.width + speed * (0.5 + near) * stage.height * stage.seconds
    left = (across + height) % (stage.width + 2 * height) - height
    foot = (left, (top + (lowest - top) * near + bob) * stage.height)
    if thing.name == "fire":
        stage.glow((left, foot[1] - height / 3), (height * 1.6,) * 2, parse_colour("ff9a40"), 0.55)
    elif is_grounded:
        stage.glow(foot, (height * 0.6, height * 0.15), parse_colour("101018"), 0.5)
    draw_thing(
        stage,
        thing.name,
        foot,
        height,
        parse_colour(thing.colour or (bright if code == "?" else code)),
    )
    if thing.name == "sign" and stage.prompt.caption:
        write_sign(stage.canvas, stage.prompt.caption, foot, height)


def write_sign(canvas: Frame, text: str, foot: tuple[float, float], height: float) -> None:
    """Write on the board of a sign, as large as fits."""
    face, size = cv2.FontFace("sans"), 100
    box = cv2.getTextSize((0, 0), text, (0, 0), face, size, 600)
    size = max(4, int(size * min(1.28 * height / box[2], 0.45 * height / box[3])))
    box = cv2.getTextSize((0, 0), text, (0, 0), face, size, 600)
    left = round(foot[0] - box[2] / 2 - box[0])
    base = round(foot[1] - 0.645 * height - box[3] / 2 - box[1])
    cv2.putText(canvas, text, (left, base), (16, 14, 18), face, size, 600)
