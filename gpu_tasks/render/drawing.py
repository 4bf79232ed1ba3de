"""Captions as pictures, drawn with the fonts that come in OpenCV's package."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap

import cv2
import numpy as np
from numpy.typing import NDArray

from gpu_tasks.render.contract import Output
from gpu_tasks.render.contract.segments import Words

MAX_LINE = 42
MAX_LINES = 4
TEXT_SHARE = 22
"""Letters are one of so many parts of the picture's shorter side."""
WEIGHT = 500
SHADE = 160
"""How dark the box behind the letters is, of 255."""


@dataclass(frozen=True)
class Drawn:
    """A caption's picture and where its upper left corner is."""

    words: Words
    path: Path
    left: int
    top: int


def draw(words: Words, output: Output, path: Path) -> Drawn:
    """Write a caption as PNG: white on a dark box, in the middle below."""
    picture = _boxed(_lines(words.text), output)
    height, width = picture.shape[:2]
    cv2.imwrite(str(path), picture)
    left = (output.width - width) // 2
    top = max(0, output.height - height - output.height // 16)
    # 4:2:0 places colours by pairs of pixels.
    return Drawn(words, path, left // 2 * 2, top // 2 * 2)


def _lines(text: str) -> list[str]:
    return [line for part in text.splitlines() for line in wrap(part, MAX_LINE)][:MAX_LINES]


def _boxed(lines: list[str], output: Output) -> NDArray[np.uint8]:
    size = max(8, min(output.width, output.height) // TEXT_SHARE)
    face = cv2.FontFace("sans")
    rows = [_row(line, face, size) for line in lines] or [np.zeros((2, 2), np.uint8)]
    width = min(output.width, max(row.shape[1] for row in rows) + size) // 2 * 2
    height = min(output.height, sum(row.shape[0] for row in rows)) // 2 * 2
    letters = np.zeros((height, width), np.uint8)
    top = 0
    for row in rows:
        shown = row[: max(0, height - top), :width]
        left = (width - shown.shape[1]) // 2
        letters[top : top + shown.shape[0], left : left + shown.shape[1]] = shown
        top += shown.shape[0]
    return np.dstack([letters, letters, letters, np.maximum(letters, SHADE)]).astype(np.uint8)


def _row(line: str, face: "cv2.FontFace", size: int) -> NDArray[np.uint8]:
    """One line's letters as grey levels, as wide as they are."""
    room = np.zeros((size * 2, size * (len(line) + 2) * 2), np.uint8)
    cv2.putText(room, line, (size // 2, int(size * 1.4)), 255, face, size, WEIGHT)
    inked = np.flatnonzero(room.any(axis=0))
    end = inked[-1] + 1 + size // 2 if inked.size else size
    return room[:, :end]


def draw_captions(words: tuple[Words, ...], output: Output, folder: Path) -> Iterator[Drawn]:
    """The pictures of a segment's captions, in a folder of its own."""
    for index, one in enumerate(words):
        folder.mkdir(parents=True, exist_ok=True)
        yield draw(one, output, folder / f"{index}.png")
