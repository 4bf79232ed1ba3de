"""Things, drawn from lists of shapes; where they stand or fly, and how they move."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from gpu_tasks.mediakit.film import Frame
from gpu_tasks.mediakit.scenes.light import Colour, Light, colour
from gpu_tasks.mediakit.scenes.stage import HORIZON, SHORE, Stage
from gpu_tasks.mediakit.scenes.words import CODES, Named

MOST = 24
ROAD = 0.94
"""On which row cars drive, as a share of the height."""
BRIGHT = ("d13b3b", "f0a83a", "3f7fc4", "e6cf4a", "5aa05a", "a04f9e")
THIRDS = (0.36, 0.66)
"""Where few things stand, as shares of the width."""
ABOUT = {"forest": ("pine", 2), "beach": ("palm", 2), "field": ("flower", 9)}
"""What stands about in a place where nothing else was asked for, and how many."""
SKY_ROWS = {"bird": (0.1, 0.45), "balloon": (0.45, 0.58), "fish": (0.2, 0.8), "planet": (0.5, 0.75)}
"""Where what does not stand flies or swims, as shares of the height."""
MOTION = {
    "bird": (0.07, 0.02),
    "fish": (0.06, 0.015),
    "balloon": (0.006, 0.012),
    "boat": (0.012, 0.006),
    "car": (0.16, 0.0),
}
"""Of those that move: how far in a second, and up and down, as shares of the height."""

# A thing: its name, its height as a share of the picture's, and its colour ("?": any bright one).
# Its shapes: each a colour, a kind, and points in hundredths of the height from its foot's middle.
# "*" is the thing's colour, "*80" that at 80 %; "!" shines by itself; "~" is a pane.
# Ovals have centre and radii; lines have their thickness behind their name.
_DRAWINGS = """
tree 0.5 568f3e
    5d4433 poly -4,0 -2,50 3,50 5,0; *75 oval 0,60 34,24; *88 oval -15,67 19,16
    *92 oval 16,69 19,16; * oval 0,76 25,18; *112 oval -7,83 14,10
pine 0.5 2f5a3c
    5d4433 poly -2,0 -2,15 2,15 2,0; *82 poly -28,10 0,48 28,10; *90 poly -23,30 0,68 23,30
    * poly -18,50 0,84 18,50; *110 poly -12,68 0,99 12,68
palm 0.55 3f7f3f
    8a6b4c line5 0,0 3,30 8,55 14,72; *80 line5 14,72 2,66 -8,52; *90 line5 14,72 28,66 36,50
    * line5 14,72 -4,80 -20,66; * line5 14,72 34,80 48,64; *115 line5 14,72 6,92 -10,90
    *115 line5 14,72 24,92 40,88
flower 0.2 ?
    4c7d36 line3 0,0 1,40 0,75; 4c7d36 oval -9,28 10,4; 4c7d36 oval 10,36 10,4; *80 oval -10,84 9,7
    *90 oval 10,84 9,7; * oval -6,71 8,8; *95 oval 7,71 8,8; *105 oval 0,92 8,8
    f2c14a oval 0,81 6,6
boat 0.3 f4efe2
    5a2b22 line1.4 0,16 0,97; * poly 2,95 6,70 32,24 2,24; *90 poly -2,88 -2,24 -30,23
    7a3b2e poly -38,19 40,19 29,3 -22,3; d8d2c0 poly -38,19 40,19 38,15 -35,15
car 0.15 ?
    *90 poly -65,58 -35,90 35,90 69,58; 9fc0d4 poly -52,60 -31,83 -5,83 -5,60
    9fc0d4 poly 1,60 1,83 31,83 53,60
    * poly -105,26 -104,48 -93,56 -60,60 65,60 97,52 105,42 105,24; 23262e oval -59,22 20,20
    23262e oval 60,22 20,20; c9ccd2 oval -59,22 10,10; c9ccd2 oval 60,22 10,10
    !fff0b8 oval 101,45 5,6
person 0.27 ?
    343844 line6 -4,44 -5,3; 343844 line6 4,44 5,3; *80 line5 -10,75 -14,48; *80 line5 10,75 14,48
    * poly -11,76 -7,80 7,80 11,76 9,40 -9,40; c99878 oval 0,89 6,8; 3b2a20 oval 0,92 6.5,6.5
balloon 0.42 ?
    * oval 0,66 34,33; * poly -32,55 -6,24 6,24 32,55; *80 oval 0,66 21,33
    *80 poly -20,55 -4,24 4,24 20,55; * oval 0,66 9,33; 5d4433 line0.6 -5,24 -4,12
    5d4433 line0.6 5,24 4,12; 8a5f38 poly -5,2 -5,12 5,12 5,2
house 0.3 f0e2c8
    5f2d24 poly 14,60 14,96 24,96 24,60; * poly -48,0 -48,54 48,54 48,0
    8f4436 poly -57,50 -32,90 32,90 57,50; ~ poly -38,20 -38,38 -20,38 -20,20
    ~ poly 20,20 20,38 38,38 38,20; 5f3f2c poly -8,0 -8,34 8,34 8,0
fire 0.3 ff7a1c
    3d2a20 line7 -22,2 22,7; 3d2a20 line7 22,2 -22,7
    !d8380c poly -22,6 -24,30 -12,52 -6,90 4,62 16,72 24,30 20,6
    !ff8a1c poly -15,6 -15,26 -5,44 0,68 8,44 16,26 14,6; !ffe48a poly -8,6 -8,20 0,42 8,20 8,6
planet 0.5 c98a4a
    b9a27a oval 0,50 88,15; * oval 0,50 48,48; *80 oval 0,62 45,5; *88 oval 0,36 45,6
    *110 oval -12,76 22,8; d8c39a line3 -86,48 -60,39 -30,35 30,35 60,39 86,48
cat 0.22 3a3a44
    *85 line6 22,8 34,12 36,32 30,44; * oval 4,26 23,26; * oval -6,62 17,15
    * poly -22,66 -21,92 -9,76; * poly -3,76 8,92 9,66; !e6d24a oval -12,63 3,3
    !e6d24a oval 0,63 3,3
dog 0.22 b98d5a
    *85 line6 40,60 54,84; * oval 6,50 38,17; *90 line9 -22,45 -23,3; * line9 -10,45 -10,3
    *90 line9 26,45 26,3; * line9 37,45 38,3; * oval -36,76 17,14; *85 oval -50,70 13,8
    *65 oval -29,74 6,15; 23262e oval -60,73 4,4
horse 0.32 5f402c
    *70 line6 40,62 50,50 50,24; * oval 8,56 36,15; *85 line6 -20,50 -22,2; * line6 -12,50 -12,2
    *85 line6 30,50 32,2; * line6 38,50 40,2; * poly -28,50 -46,88 -32,94 -8,66; * oval -48,86 15,7
    *55 line6 -32,94 -20,78 -10,68; * poly -36,90 -34,103 -28,92
lighthouse 0.55 c4423a
    5b5a5c poly -28,0 -20,9 12,12 28,0; * poly -12,8 -10,40 10,40 12,8
    f4efe2 poly -11,22 -10,38 10,38 11,22; * poly -10,38 -9,54 9,54 10,38
    f4efe2 poly -9,54 -8,68 8,68 9,54; * poly -8,68 -7,77 7,77 8,68
    !ffe9a3 poly -5,77 -5,88 5,88 5,77; * poly -8,88 0,97 8,88
windmill 0.48 efe6d4
    * poly -11,0 -7,64 7,64 11,0; 7a4a38 poly -8,63 0,76 8,63; f4efe2 poly 0,64 34,80 36,74 3,60
    f4efe2 poly 0,64 -34,48 -36,54 -3,68; f4efe2 poly 0,64 -16,98 -10,100 4,66
    f4efe2 poly 0,64 16,30 10,28 -4,62; 5d4433 poly -4,0 -4,16 4,16 4,0
sign 0.46 f1e7cf
    6b4a32 poly -42,0 -42,60 -38,60 -38,0; 6b4a32 poly 38,0 38,60 42,60 42,0
    553a27 poly -71,34 -71,95 71,95 71,34; * poly -67,38 -67,91 67,91 67,38
bird 0.06 30343e
    * line9 -60,80 -25,95 0,60 25,95 60,80
fish 0.1 ?
    *80 poly 45,50 85,85 85,15; *80 poly -10,80 20,110 25,75; * oval 0,50 62,34
    *120 oval -6,40 40,14; 23262e oval -40,58 6,6
window 0.45 f4efe2
    !sky0 poly -46,0 -46,100 46,100 46,60 46,0; !sky1 poly -46,0 -46,60 46,60 46,0
    !sky2 poly -46,0 -46,25 46,25 46,0; * line5 -46,0 -46,100 46,100 46,0 -46,0; * line5 0,0 0,100
    * line5 -46,50 46,50
picture 0.25 5d4433
    * poly -50,0 -50,100 50,100 50,0; d98a5f poly -42,8 -42,92 42,92 42,8; !f0d890 oval 14,62 12,12
    3f5f7f poly -42,8 -14,50 16,8
weed 0.25 3d8a5a
    * line5 0,0 4,30 -4,60 3,98; *80 line5 10,0 16,30 8,64
"""


@dataclass(frozen=True)
class Drawing:
    """The shapes of a thing, its height as a share of the picture's, and its colour."""

    tall: float
    code: str
    shapes: list[tuple[str, str, NDArray[np.float64]]]


def _drawings(table: str) -> dict[str, Drawing]:
    found: dict[str, Drawing] = {}
    for line in table.strip().splitlines():
        if not line.startswith(" "):
            name, tall, code = line.split()
            found[name] = drawing = Drawing(float(tall), code, [])
            continue
        for paint, kind, *points in (shape.split() for shape in line.split(";")):
            numbers = np.array([one.split(",") for one in points], np.float64)
            drawing.shapes.append((paint, kind, numbers))
    return found


DRAWINGS = _drawings(_DRAWINGS)


def draw(
    stage: Stage,
    name: str,
    foot: tuple[float, float],
    height: float,
    own: Colour,
    *,
    sway: float = 0.0,
    squash: float = 1.0,
) -> None:
    """Draw a thing of a height in pixels; ``sway`` bends its top by so many hundredths."""
    for paint, kind, points in DRAWINGS[name].shapes:
        tone = _tone(paint, own, stage.light)
        bent = points + np.outer((points[:, 1] / 100) ** 2, (sway, 0))
        at = foot + bent * (height / 100, -squash * height / 100)
        if kind == "oval":
            stage.oval(at[0], points[1] * (height / 100), tone)
        elif kind == "poly":
            stage.polygon(at, tone)
        else:
            stage.line(at, float(kind.removeprefix("line")) * height / 100, tone)


def _tone(paint: str, own: Colour, light: Light) -> Colour:
    if paint.startswith("!sky"):
        return np.asarray(light.sky[int(paint[4:])])
    if paint.startswith("!"):
        return colour(paint[1:])
    if paint == "~" and (light.dark or light.height < 0.35):
        return colour("ffd27a")
    if paint.startswith("*"):
        return light.lit(own * (float(paint[1:] or 100) / 100))
    return light.lit(colour("9fc0d4" if paint == "~" else paint))


def place(stage: Stage) -> None:
    """Draw all that is asked for, from the back to the front."""
    asked = [one for one in stage.told.things if one.name in DRAWINGS]
    if stage.told.caption and not stage.told.has("sign"):
        asked.append(Named("sign"))
    if not asked and not stage.told.things and not stage.told.has("snow"):
        asked = [Named(*ABOUT[one.name]) for one in stage.told.places if one.name in ABOUT]
    if stage.kind == "underwater" and not stage.told.has("fish"):
        asked.append(Named("fish", 6))
    several = {"bird": 3, "fish": 6}
    each = [one for one in asked for _ in range(one.count or several.get(one.name, 1))][:MOST]
    spots = [(one, *_spot(stage, index, len(each))) for index, one in enumerate(each)]
    for one, x, near in sorted(spots, key=lambda spot: spot[2]):
        _put(stage, one, x, near, len(each))


def _spot(stage: Stage, index: int, count: int) -> tuple[float, float]:
    """Across and how near, 0 to 1: few stand by thirds, many are spread over the depth."""
    if count <= len(THIRDS):
        return THIRDS[index], 0.72 - 0.12 * index
    # Multiples of irrational numbers spread evenly, however many there are.
    across = (index * 0.618034 + stage.rng.random() * 0.1 + 0.2) % 1
    return 0.05 + 0.9 * across, 0.2 + 0.68 * ((index * 0.754877 + 0.3) % 1)


def _put(stage: Stage, one: Named, x: float, near: float, count: int) -> None:
    height = (
        stage.unit * DRAWINGS[one.name].tall * (0.45 + 0.75 * near) * (1.2 if count == 1 else 1)
    )
    phase = stage.rng.uniform(0, 6.3)
    speed, bob = MOTION.get(one.name, (0.0, 0.0))
    # Fish look to the left.
    way = -1 if one.name == "fish" else 1
    beside = height
    across = x * stage.width + way * speed * (0.5 + near) * stage.height * stage.seconds + beside
    left = across % (stage.width + 2 * beside) - beside
    row = _row(stage, one.name, near) + bob * float(np.sin(1.4 * stage.seconds + phase))
    foot = (left, row * stage.height)
    flap = float(np.sin(9 * stage.seconds + phase)) if one.name == "bird" else 1.0
    sways = {"fire": 7.0 * np.sin(8 * stage.seconds), "weed": 14.0 * np.sin(1.2 * stage.seconds)}
    if one.name == "fire":
        stage.glow((left, foot[1] - height / 3), height * 1.6, colour("ff9a40"), 0.55)
    elif one.name not in SKY_ROWS and one.name != "boat":
        stage.shadow(foot, height * 0.45)
    sway = float(sways.get(one.name, 0.0))
    draw(stage, one.name, foot, height, _own(stage, one), sway=sway, squash=flap)
    if one.name == "sign" and stage.told.caption:
        _write(stage.canvas, stage.told.caption, (left, foot[1] - 0.645 * height), height)


def _row(stage: Stage, name: str, near: float) -> float:
    """The foot of a thing, as a share of the height."""
    top, bottom = HORIZON, 0.985
    if name in SKY_ROWS:
        top, bottom = SKY_ROWS[name]
    elif name == "car":
        return ROAD
    elif stage.wet and stage.ashore:
        afloat = name in ("boat", "lighthouse")
        top, bottom = (HORIZON + 0.01, SHORE + 0.02) if afloat else (SHORE + 0.06, bottom)
    elif name == "boat":
        bottom = 0.85
    return top + (bottom - top) * near


def _own(stage: Stage, one: Named) -> Colour:
    code = DRAWINGS[one.name].code
    bright, leaf = stage.rng.choice(BRIGHT), stage.rng.choice(("c2541f", "d9a02f"))
    if one.colour:
        return colour(CODES[one.colour])
    if one.name == "tree" and "autumn" in stage.told.moods:
        return colour(str(leaf))
    return colour(str(bright) if code == "?" else code)


def _write(canvas: Frame, text: str, middle: tuple[float, float], height: float) -> None:
    """Write on a sign, as large as fits."""
    face, size = cv2.FontFace("sans"), max(4, round(height * 0.5))
    box = cv2.getTextSize((0, 0), text, (0, 0), face, size, 600)
    while size > 4 and (box[2] > height * 1.25 or box[3] > height * 0.45):
        size = int(size * 0.9)
        box = cv2.getTextSize((0, 0), text, (0, 0), face, size, 600)
    left = round(middle[0] - box[2] / 2 - box[0])
    base = round(middle[1] - box[3] / 2 - box[1])
    cv2.putText(canvas, text, (left, base), (38, 34, 40), face, size, 600)
