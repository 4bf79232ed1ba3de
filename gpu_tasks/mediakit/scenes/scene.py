"""A scene: what a prompt asks for, drawn at any time from the back to the front."""

import hashlib
from collections.abc import Callable

import cv2
import numpy as np

from gpu_tasks.mediakit.film import Frame
from gpu_tasks.mediakit.scenes.stage import HORIZON, Stage, colour, hour_of, hues, mixed
from gpu_tasks.mediakit.scenes.things import SHORE, place, row, stands
from gpu_tasks.mediakit.scenes.words import Description, Named, describe

PAN, PAN_RADIANS_PER_SECOND = 0.03, 0.42
ZOOM, ZOOM_RADIANS_PER_SECOND = 0.04, 0.3
"""How far the camera goes aside and nearer, as shares of the width, and how fast."""
PATTERN = ("2b5876", "d98a5f", "4e4376", "e8c07a")
"""Colours of an abstract picture for which none was said."""
RAINBOW = ("e03030", "f08030", "f0e040", "40b050", "3070e0", "7a40c0")
WHITE, STARLIGHT = colour("ffffff"), colour("e0e0e8")


def _abstract(stage: Stage) -> None:
    own = hues(stage.prompt) or [colour(code) for code in stage.rng.permutation(PATTERN)]
    for index in range(12):
        tone = mixed(own[index % len(own)], WHITE, 0.5 - 0.04 * index)
        vivid = -0.8 if "vivid" in stage.prompt.names else 0
        row = 0.1 * index
        stage.ridges(np.clip(mixed(tone, tone.mean(), vivid), 0, 255), row, row, 0.4, flow=0.4)


def _space(stage: Stage) -> None:
    stage.canvas[:] = (6, 6, 16)
    for x, y, size in stage.rng.random((5, 3)):
        reach = (0.2 + 0.5 * size) * stage.unit
        own = stage.own("b0406a", "space", lit=False)
        across = (x + 0.1 * np.sin(stage.seconds + 6 * size)) * stage.width
        stage.glow((across, y * stage.height), (2 * reach, reach), own, 0.5)
    stage.specks(260, STARLIGHT, 0.6)


def _orb(stage: Stage) -> None:
    """Sun or moon."""
    light, radius = stage.light, stage.unit * 0.06
    at = (stage.across * stage.width, HORIZON * (1 - light.height * 0.9) * stage.height)
    stage.glow(at, (8 * radius, 8 * radius), light.sun, 0.6)
    stage.oval(at, (radius, radius), light.sun)


def _aurora(stage: Stage) -> None:
    for index, x in enumerate(stage.rng.random(24)):
        at = ((x + 0.02 * np.sin(stage.seconds + index)) * stage.width, 0.3 * stage.height)
        tall = (0.15 + 0.1 * np.sin(index + 0.4 * stage.seconds)) * stage.height
        own = colour(("40e8a0", "50c8e8", "a060e0")[index % 3])
        stage.glow(at, (0.06 * stage.width, 0.1 * stage.height + tall), own, 0.45)


def _rainbow(stage: Stage) -> None:
    angle = np.linspace(0, np.pi, 40)
    for index, code in enumerate(RAINBOW):
        arc = np.stack([np.cos(angle), -np.sin(angle)], axis=1) * (0.5 - 0.014 * index)
        ends = arc * stage.unit + (stage.width / 2, stage.height * 0.65)
        stage.line(ends, 0.016 * stage.unit, mixed(colour(code), stage.light.sky[2], 0.45))


def _lightning(stage: Stage) -> None:
    since = stage.seconds % 3.2
    stage.blend(WHITE, 0.5 * np.exp(-since * 5) + 0 * (stage.x + stage.y))
    if since < 0.5:
        row(stage, "bolt", 1, stage.horizon, HORIZON)


def _fog(stage: Stage) -> None:
    drift = np.sin(5 * stage.x + 0.7 * stage.seconds) * np.sin(9 * stage.y + 0.5 * stage.seconds)
    stage.blend(stage.own("d0d4da"), 0.62 + 0.12 * drift - 0.3 * np.abs(stage.y - 0.6))


LAYERS: tuple[tuple[str, Callable[[Stage], None]], ...] = (
    ("abstract", _abstract),
    ("space", _space),
    ("underwater", lambda s: s.fade(np.stack([s.own("4aa0b4"), s.own("0a3f66", "underwater")]))),
    ("underwater", lambda s: s.ridges(s.own("5a6a62"), 0.9, 0.9, 0.08)),
    ("underwater", lambda s: row(s, "weed", 14, 0.35 * s.unit, 0.95)),
    ("underwater", lambda s: s.specks(40, colour("c8f0fa"), 1.2, fall=-0.15)),
    ("room", lambda s: s.ridges(s.own("a8b8a8", "room"), 0, 0, 0)),
    ("room", lambda s: s.ridges(s.own("8a5a38"), HORIZON, 0.95, 0, 5)),
    ("room", lambda s: row(s, "window", 1, 0.4 * s.unit, 0.45)),
    ("sky", lambda s: s.fade(s.light.sky)),
    ("stars", lambda s: s.specks(200, STARLIGHT, 0.6)),
    ("aurora", _aurora),
    ("orb", _orb),
    ("sky", lambda s: place(s, [Named("cloud", 3)])),
    ("covered", lambda s: place(s, [Named("cloud", 20, "grey")])),
    ("rainbow", _rainbow),
    ("mountains", lambda s: row(s, "peak", 12, 0.45 * s.unit, HORIZON, "mountains")),
    ("hills", lambda s: s.ridges(s.own("5f9e3f", "hills"), 0.6, 0.64, 0.15, 2)),
    ("city", lambda s: row(s, "tower", 24, 0.42 * s.unit, HORIZON, "city")),
    ("field", lambda s: s.ridges(s.own("5f9e3f", "field"), 0.64, 0.9, 0.04, 3)),
    ("desert", lambda s: s.ridges(s.own("d8a860", "desert"), 0.63, 0.9, 0.1, 3)),
    ("sea", lambda s: s.ridges(s.own("2f6fa8", "sea"), 0.61, 1, 0.03, 8, flow=1)),
    ("forest", lambda s: row(s, "pine", 60, 0.3 * s.unit, HORIZON, "forest")),
    ("road", lambda s: row(s, "street", 1, 0.2 * s.height, 0.955, "road")),
    ("shore", lambda s: s.ridges(s.own("dcc690", "beach"), SHORE, SHORE, 0.02)),
    ("things", lambda s: place(s, s.prompt.named["thing"])),
    ("board", lambda s: place(s, [Named("sign")])),
    ("shoal", lambda s: place(s, [Named("fish")])),
    ("lightning", _lightning),
    ("fog", _fog),
    ("rain", lambda s: s.specks(140, mixed(s.light.sky[2], WHITE, 0.2), 0.1, fall=1.7, tail=6)),
    ("snow", lambda s: s.specks(300, WHITE, 1.2, fall=0.17)),
)
"""What is drawn for each name, from the back to the front."""
IMPLIED = (
    ("board standing", "caption", "sign"),
    ("shoal", "underwater", "fish"),
    ("lightning rain", "storm", ""),
    ("covered", "rain lightning overcast", ""),
    ("stars", "night", "covered"),
    ("orb", "sun moon", ""),
    ("orb", "sky", "covered fog snow"),
    ("sea standing", "beach", ""),
    ("sea", "boat city", "desert field road forest hills"),
    ("dry", "things", "sea"),
    ("shore", "standing", "dry"),
    ("field", "sky", "sea desert"),
    ("hills", "field", ""),
    ("road", "car", "sea desert"),
)
"""What is shown where any of the second is asked for or shown, and none of the third."""


def names_of(prompt: Description) -> set[str]:
    """All that is shown: what is asked for, and what that implies."""
    alone = prompt.names & {"abstract", "space", "underwater", "room"}
    if not prompt.named["place"] and prompt.names & {"planet", "fish"}:
        alone = {"space" if "planet" in prompt.names else "underwater"}
    if not (prompt.caption or any(prompt.named[kind] for kind in prompt.named if kind != "mood")):
        alone = {"abstract"}
    things = {one.name for one in prompt.named["thing"]}
    names = {"things"} | (alone | things if alone else {"sky", hour_of(prompt), *prompt.names})
    names |= {"caption"} if prompt.caption else set()
    names |= {"standing"} if any(map(stands, things)) else set()
    for implied, causes, excuses in IMPLIED:
        if names & set(causes.split()) and not names & set(excuses.split()):
            names |= set(implied.split())
    return names


class Scene:
    """A picture of a prompt, the same for the same prompt, size and seed."""

    def __init__(self, prompt: str, *, width: int, height: int, seed: int) -> None:
        self._prompt = describe(prompt)
        self._prompt.shown = names_of(self._prompt)
        digest = hashlib.sha256(" ".join(prompt.split()).casefold().encode()).digest()
        self._seeds = [seed, int.from_bytes(digest[:8], "big")]
        self._width, self._height = width, height
        # The words of the prompt that made a difference of their own.
        self.understood = self._prompt.understood

    def frame(self, seconds: float = 0.0) -> Frame:
        """The picture at a time; the camera pans and comes nearer, slowly."""
        width, height = self._width, self._height
        rng = np.random.default_rng(self._seeds)
        canvas = np.zeros((height, width, 3), np.uint8)
        stage = Stage(self._prompt, canvas, rng, seconds)
        for name, draw in LAYERS:
            if name in self._prompt.shown:
                draw(stage)
        nearer = ZOOM * (1 - float(np.cos(ZOOM_RADIANS_PER_SECOND * seconds)))
        move = cv2.getRotationMatrix2D((width / 2, height * 0.6), 0, 1 + 2 * PAN + nearer)
        move[0, 2] += PAN * width * float(np.sin(PAN_RADIANS_PER_SECOND * seconds))
        size = (width, height)
        return np.asarray(cv2.warpAffine(stage.canvas, move, size, borderMode=cv2.BORDER_REPLICATE))
