"""A scene: what a prompt asks for, drawn at any time."""

import hashlib

import cv2
import numpy as np

from gpu_tasks.mediakit.film import Frame
from gpu_tasks.mediakit.scenes import places, things
from gpu_tasks.mediakit.scenes.light import light_of
from gpu_tasks.mediakit.scenes.stage import Stage
from gpu_tasks.mediakit.scenes.words import describe

PAN, PAN_RADIANS_PER_SECOND = 0.03, 0.42
ZOOM, ZOOM_RADIANS_PER_SECOND = 0.04, 0.3
"""How far the camera goes aside and nearer, as shares of the width, and how fast."""


class Scene:
    """A picture of a prompt, the same for the same prompt, size and seed."""

    def __init__(self, prompt: str, *, width: int, height: int, seed: int) -> None:
        self._told = describe(prompt)
        self._light = light_of(self._told)
        digest = hashlib.sha256(" ".join(prompt.split()).casefold().encode()).digest()
        self._seeds = [seed, int.from_bytes(digest[:8], "big")]
        self._width, self._height = width, height

    @property
    def understood(self) -> list[str]:
        """The words of the prompt that made a difference of their own."""
        return list(self._told.understood)

    def frame(self, seconds: float = 0.0) -> Frame:
        """The picture at a time; the camera pans and comes nearer, slowly."""
        canvas = np.zeros((self._height, self._width, 3), np.uint8)
        rng = np.random.default_rng(self._seeds)
        stage = Stage(canvas, self._told, self._light, rng, seconds)
        getattr(places, stage.kind)(stage)
        things.place(stage)
        if stage.kind == "landscape":
            places.weather(stage)
        return self._filmed(canvas, seconds)

    def _filmed(self, canvas: Frame, seconds: float) -> Frame:
        width, height = self._width, self._height
        nearer = ZOOM * (1 - float(np.cos(ZOOM_RADIANS_PER_SECOND * seconds)))
        aside = PAN * width * float(np.sin(PAN_RADIANS_PER_SECOND * seconds))
        move = cv2.getRotationMatrix2D((width / 2, height * 0.6), 0, 1 + 2 * PAN + nearer)
        move[0, 2] += aside
        seen = cv2.warpAffine(canvas, move, (width, height), borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(seen, np.uint8)
