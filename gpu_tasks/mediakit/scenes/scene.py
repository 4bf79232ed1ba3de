"""A scene: what a prompt asks for, composed once and then drawn at any time."""

import hashlib

import cv2
import numpy as np

from gpu_tasks.mediakit.film import Frame
from gpu_tasks.mediakit.scenes.composing import elements
from gpu_tasks.mediakit.scenes.elements import View
from gpu_tasks.mediakit.scenes.setting import setting_of
from gpu_tasks.mediakit.scenes.words import describe

HORIZON = 0.6
MARGIN = 0.09
"""Of the width: how far the camera pans to either side, and a little more."""
PAN_RADIANS_PER_SECOND = 0.42
ZOOM = 0.045
ZOOM_RADIANS_PER_SECOND = 0.3
GRAIN = 1.6
"""Standard deviation of the film grain, which hides the steps of gradients."""
VIGNETTE = 0.2


class Scene:
    """A picture of a prompt, the same for the same prompt, size and seed."""

    def __init__(self, prompt: str, *, width: int, height: int, seed: int) -> None:
        self._described = describe(prompt)
        digest = hashlib.sha256(" ".join(prompt.split()).casefold().encode()).digest()
        rng = np.random.default_rng([seed, int.from_bytes(digest[:8], "big")])
        self._view = View(width, height, round(height * HORIZON), round(width * MARGIN))
        self._elements = elements(setting_of(self._described, self._view), rng)
        self._grain = np.clip(rng.normal(0, GRAIN, (height + 64, width + 64)), -6, 6).astype(
            np.int16
        )
        self._shade = _vignette(width, height)
        self._way = 1.0 if rng.random() < 0.5 else -1.0

    @property
    def understood(self) -> list[str]:
        """The words of the prompt that made a difference of their own."""
        return list(self._described.understood)

    def frame(self, seconds: float = 0.0) -> Frame:
        """The picture at a time; the camera pans and comes nearer, slowly."""
        view = self._view
        canvas = np.zeros((view.height, view.width, 3), np.uint8)
        pan = self._way * 0.8 * view.margin * float(np.sin(PAN_RADIANS_PER_SECOND * seconds))
        for element in self._elements:
            element.draw(canvas, seconds, pan)
        return self._developed(self._nearer(canvas, seconds), seconds)

    def _nearer(self, canvas: Frame, seconds: float) -> Frame:
        zoom = 1 + ZOOM * (1 - float(np.cos(ZOOM_RADIANS_PER_SECOND * seconds)))
        if zoom == 1:
            return canvas
        view = self._view
        move = cv2.getRotationMatrix2D((view.width / 2, view.horizon), 0, zoom)
        size = (view.width, view.height)
        return np.asarray(
            cv2.warpAffine(
                canvas, move, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
            ),
            np.uint8,
        )

    def _developed(self, canvas: Frame, seconds: float) -> Frame:
        """With the darker corners and the grain of film."""
        x, y = (int(seconds * step) % 64 for step in (997.0, 1511.0))
        grain = self._grain[y : y + canvas.shape[0], x : x + canvas.shape[1]]
        shaded = cv2.multiply(canvas, self._shade, scale=1 / 255)
        return np.asarray(cv2.add(shaded, cv2.merge([grain] * 3), dtype=cv2.CV_8U), np.uint8)


def _vignette(width: int, height: int) -> Frame:
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    shade = 1 - VIGNETTE * np.clip((x**2 + y**2) / 2, 0, 1) ** 1.4
    return np.stack([np.round(shade * 255).astype(np.uint8)] * 3, axis=2)
