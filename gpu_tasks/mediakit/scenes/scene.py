"""A scene: the content of a prompt, drawn at any time from the back to the front."""

import hashlib
from collections.abc import Callable

import cv2
import numpy as np

from gpu_tasks.mediakit.film import Frame
from gpu_tasks.mediakit.scenes.stage import (
    HORIZON,
    Stage,
    get_hour,
    list_hues,
    mix_colours,
    parse_colour,
)
from gpu_tasks.mediakit.scenes.things import SHORE, draw_all, draw_row, is_standing
from gpu_tasks.mediakit.scenes.words import Description, NamedItem, parse_prompt

PAN, PAN_RADIANS_PER_SECOND = 0.03, 0.42
ZOOM, ZOOM_RADIANS_PER_SECOND = 0.04, 0.3
"""How far the camera pans and zooms, as shares of the width, and how fast."""
PATTERN = ("2b5876", "d98a5f", "4e4376", "e8c07a")
"""Colours of an abstract picture whose prompt names none."""
RAINBOW = ("e03030", "f08030", "f0e040", "40b050", "3070e0", "7a40c0")
WHITE, STARLIGHT = parse_colour("ffffff"), parse_colour("e0e0e8")


def _draw_abstract(stage: Stage) -> None:
    colours = list_hues(stage.prompt) or [
        parse_colour(code) for code in stage.rng.permutation(PATTERN)
    ]
    for index in range(12):
        tone = mix_colours(colours[index % len(colours)], WHITE, 0.5 - 0.04 * index)
        vivid = -0.8 if "vivid" in stage.prompt.names else 0
        row = 0.1 * index
        stage.ridges(
            np.clip(mix_colours(tone, tone.mean(), vivid), 0, 255), row, row, 0.4, flow=0.4
        )


def _draw_space(stage: Stage) -> None:
    stage.canvas[:] = (6, 6, 16)
    for x, y, size in stage.rng.random((5, 3)):
        reach = (0.2 + 0.5 * size) * stage.unit
        fill = stage.choose_colour("b0406a", "space", lit=False)
        across = (x + 0.1 * np.sin(stage.seconds + 6 * size)) * stage.width
        stage.glow((across, y * stage.height), (2 * reach, reach), fill, 0.5)
    stage.specks(260, STARLIGHT, 0.6)


def _draw_orb(stage: Stage) -> None:
    """Draw the sun or moon."""
    light, radius = stage.light, stage.unit * 0.06
    centre = (stage.across * stage.width, HORIZON * (1 - light.height * 0.9) * stage.height)
    stage.glow(centre, (8 * radius, 8 * radius), light.sun, 0.6)
    stage.oval(centre, (radius, radius), light.sun)


def _draw_aurora(stage: Stage) -> None:
    for index, x in enumerate(stage.rng.random(24)):
        centre = ((x + 0.02 * np.sin(stage.seconds + index)) * stage.width, 0.3 * stage.height)
        tall = (0.15 + 0.1 * np.sin(index + 0.4 * stage.seconds)) * stage.height
        fill = parse_colour(("40e8a0", "50c8e8", "a060e0")[index % 3])
        stage.glow(centre, (0.06 * stage.width, 0.1 * stage.height + tall), fill, 0.45)


def _draw_rainbow(stage: Stage) -> None:
    angle = np.linspace(0, np.pi, 40)
    for index, code in enumerate(RAINBOW):
        arc = np.stack([np.cos(angle), -np.sin(angle)], axis=1) * (0.5 - 0.014 * index)
        ends = arc * stage.unit + (stage.width / 2, stage.height * 0.65)
        stage.line(
            ends, 0.016 * stage.unit, mix_colours(parse_colour(code), stage.light.sky[2], 0.45)
        )


def _draw_lightning(stage: Stage) -> None:
    seconds_since_flash = stage.seconds % 3.2
    stage.blend(WHITE, 0.5 * np.exp(-seconds_since_flash * 5) + 0 * (stage.x + stage.y))
    if seconds_since_flash < 0.5:
        draw_row(stage, "bolt", 1, stage.horizon, HORIZON)


def _draw_fog(stage: Stage) -> None:
    drift = np.sin(5 * stage.x + 0.7 * stage.seconds) * np.sin(9 * stage.y + 0.5 * stage.seconds)
    stage.blend(stage.choose_colour("d0d4da"), 0.62 + 0.12 * drift - 0.3 * np.abs(stage.y - 0.6))


LAYERS: tuple[tuple[str, Callable[[Stage], None]], ...] = (
    ("abstract", _draw_abstract),
    ("space", _draw_space),
    (
        "underwater",
        lambda s: s.fade(
            np.stack([s.choose_colour("4aa0b4"), s.choose_colour("0a3f66", "underwater")])
        ),
    ),
    ("underwater", lambda s: s.ridges(s.choose_colour("5a6a62"), 0.9, 0.9, 0.08)),
    ("underwater", lambda s: draw_row(s, "weed", 14, 0.35 * s.unit, 0.95)),
    ("underwater", lambda s: s.specks(40, parse_colour("c8f0fa"), 1.2, fall=-0.15)),
    ("room", lambda s: s.ridges(s.choose_colour("a8b8a8", "room"), 0, 0, 0)),
    ("room", lambda s: s.ridges(s.choose_colour("8a5a38"), HORIZON, 0.95, 0, 5)),
    ("room", lambda s: draw_row(s, "window", 1, 0.4 * s.unit, 0.45)),
    ("sky", lambda s: s.fade(s.light.sky)),
    ("stars", lambda s: s.specks(200, STARLIGHT, 0.6)),
    ("aurora", _draw_aurora),
    ("orb", _draw_orb),
    ("sky", lambda s: draw_all(s, [NamedItem("cloud", 3)])),
    ("covered", lambda s: draw_all(s, [NamedItem("cloud", 20, "grey")])),
    ("rainbow", _draw_rainbow),
    ("mountains", lambda s: draw_row(s, "peak", 12, 0.45 * s.unit, HORIZON, "mountains")),
    ("hills", lambda s: s.ridges(s.choose_colour("5f9e3f", "hills"), 0.6, 0.64, 0.15, 2)),
    ("city", lambda s: draw_row(s, "tower", 24, 0.42 * s.unit, HORIZON, "city")),
    ("field", lambda s: s.ridges(s.choose_colour("5f9e3f", "field"), 0.64, 0.9, 0.04, 3)),
    ("desert", lambda s: s.ridges(s.choose_colour("d8a860", "desert"), 0.63, 0.9, 0.1, 3)),
    ("sea", lambda s: s.ridges(s.choose_colour("2f6fa8", "sea"), 0.61, 1, 0.03, 8, flow=1)),
    ("forest", lambda s: draw_row(s, "pine", 60, 0.3 * s.unit, HORIZON, "forest")),
    ("road", lambda s: draw_row(s, "street", 1, 0.2 * s.height, 0.955, "road")),
    ("shore", lambda s: s.ridges(s.choose_colour("dcc690", "beach"), SHORE, SHORE, 0.02)),
    ("things", lambda s: draw_all(s, s.prompt.items_by_kind["thing"])),
    ("board", lambda s: draw_all(s, [NamedItem("sign")])),
    ("shoal", lambda s: draw_all(s, [NamedItem("fish")])),
    ("lightning", _draw_lightning),
    ("fog", _draw_fog),
    (
        "rain",
        lambda s: s.specks(140, mix_colours(s.light.sky[2], WHITE, 0.2), 0.1, fall=1.7, tail=6),
    ),
    ("snow", lambda s: s.specks(300, WHITE, 1.2, fall=0.17)),
)
"""The drawing function of each name, from the back to the front."""
IMPLICATIONS = (
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
"""Names that are shown if any of the second is requested or shown, and none of the third."""


def list_names(prompt: Description) -> set[str]:
    """Return the names of all that is shown: the prompt's items, and what they imply."""
    exclusive = prompt.names & {"abstract", "space", "underwater", "room"}
    if not prompt.items_by_kind["place"] and prompt.names & {"planet", "fish"}:
        exclusive = {"space" if "planet" in prompt.names else "underwater"}
    if not (
        prompt.caption
        or any(prompt.items_by_kind[kind] for kind in prompt.items_by_kind if kind != "mood")
    ):
        exclusive = {"abstract"}
    thing_names = {thing.name for thing in prompt.items_by_kind["thing"]}
    names = {"things"} | (
        exclusive | thing_names if exclusive else {"sky", get_hour(prompt), *prompt.names}
    )
    names |= {"caption"} if prompt.caption else set()
    names |= {"standing"} if any(map(is_standing, thing_names)) else set()
    for implied, causes, exceptions in IMPLICATIONS:
        if names & set(causes.split()) and not names & set(exceptions.split()):
            names |= set(implied.split())
    return names


class Scene:
    """The moving picture of a prompt; the same prompt, size and seed give the same picture."""

    def __init__(self, prompt: str, *, width: int, height: int, seed: int) -> None:
        self._prompt = parse_prompt(prompt)
        self._prompt.drawn_names = list_names(self._prompt)
        digest = hashlib.sha256(" ".join(prompt.split()).casefold().encode()).digest()
        self._seeds = [seed, int.from_bytes(digest[:8], "big")]
        self._width, self._height = width, height
        # The words of the prompt that influenced the picture.
        self.understood = self._prompt.understood

    def frame(self, seconds: float = 0.0) -> Frame:
        """Draw the picture at a time; the camera pans and zooms slowly."""
        width, height = self._width, self._height
        rng = np.random.default_rng(self._seeds)
        canvas = np.zeros((height, width, 3), np.uint8)
        stage = Stage(self._prompt, canvas, rng, seconds)
        for name, draw in LAYERS:
            if name in self._prompt.drawn_names:
                draw(stage)
        nearer = ZOOM * (1 - float(np.cos(ZOOM_RADIANS_PER_SECOND * seconds)))
        move = cv2.getRotationMatrix2D((width / 2, height * 0.6), 0, 1 + 2 * PAN + nearer)
        move[0, 2] += PAN * width * float(np.sin(PAN_RADIANS_PER_SECOND * seconds))
        size = (width, height)
        return np.asarray(cv2.warpAffine(stage.canvas, move, size, borderMode=cv2.BORDER_REPLICATE))
