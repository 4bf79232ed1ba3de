"""Captions as pictures, drawn with the fonts that come in OpenCV's package."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap

import cv2
import numpy as np
from numpy.typing import NDArray

from gpu_tasks.render.contract import Output
from gpu_tasks.render.contract.captions import MAX_LINES, CaptionsStyle
from gpu_tasks.render.contract.segments import Words

FONTS = {"sans": "sans", "italic": "italic", "cjk": "uni"}
"""As OpenCV calls them."""
WEIGHT, BOLD = 500, 800
MIN_LETTERS = 8
"""Pixels: smaller ones cannot be read."""
MARGIN = 16
"""Captions keep so much of the picture's height from its edges: one part of so many."""

Mask = NDArray[np.uint8]
"""Grey levels: how much of a pixel is covered."""
Picture = NDArray[np.float32]
"""Height × width × 4: blue, green, red, and how far one cannot see through, all of 255."""


@dataclass(frozen=True)
class Drawn:
    """A caption's picture and where its upper left corner is."""

    words: Words
    path: Path
    left: int
    top: int


def draw(words: Words, style: CaptionsStyle, output: Output, path: Path) -> Drawn:
    """Write a caption as PNG."""
    text = words.text.upper() if style.uppercase else words.text
    picture = _boxed(_lines(text, style), style, output)
    height, width = picture.shape[:2]
    cv2.imwrite(str(path), picture)
    margin = output.height // MARGIN
    left = _place(style.alignment, output.width - width, margin)
    top = _place(style.position, output.height - height, margin)
    # 4:2:0 places colours by pairs of pixels.
    return Drawn(words, path, left // 2 * 2, top // 2 * 2)


def _place(where: str, room: int, margin: int) -> int:
    if where in ("center", "middle"):
        return room // 2
    return min(margin, room) if where in ("left", "top") else max(0, room - margin)


def _lines(text: str, style: CaptionsStyle) -> list[str]:
    width = style.max_line_length
    return [line for part in text.splitlines() for line in wrap(part, width)][:MAX_LINES]


def _boxed(lines: list[str], style: CaptionsStyle, output: Output) -> Mask:
    size = max(MIN_LETTERS, int(min(output.width, output.height) * style.size_percent / 100))
    masks = [_row(line, size, style, output.width) for line in lines]
    masks = masks or [np.zeros((2, 2), np.uint8)]
    width = min(output.width, max(mask.shape[1] for mask in masks)) // 2 * 2
    height = min(output.height, sum(mask.shape[0] for mask in masks)) // 2 * 2
    picture = np.zeros((height, width, 4), np.uint8)
    if style.background_color:
        picture[:] = _color(style.background_color)
    top = 0
    for mask in masks:
        shown = mask[: max(0, height - top), :width]
        left = _place(style.alignment, width - shown.shape[1], 0)
        place = picture[top : top + shown.shape[0], left : left + shown.shape[1]]
        place[:] = _lettered(place, shown, size, style)
        top += shown.shape[0]
    return picture


def _row(line: str, size: int, style: CaptionsStyle, most: int) -> Mask:
    """One line's letters, as wide as they are; smaller ones where they would be wider than most."""
    face, weight = cv2.FontFace(FONTS[style.font]), BOLD if style.bold else WEIGHT
    _, _, wide, _ = cv2.getTextSize((0, 0), line, (0, 0), face, size, weight)
    fitting = size if wide + size <= most else max(MIN_LETTERS, size * (most - size) // wide)
    room = np.zeros((size * 2, min(most, wide + size) + size), np.uint8)
    cv2.putText(room, line, (size // 2, int(size * 1.4)), 255, face, fitting, weight)
    inked = np.flatnonzero(room.any(axis=0))
    end = inked[-1] + 1 + size // 2 if inked.size else size
    return room[:, :end]


def _lettered(behind: Mask, letters: Mask, size: int, style: CaptionsStyle) -> Mask:
    """Letters and the line around them, over what is behind them."""
    picture = behind.astype(np.float32)
    if style.outline_color:
        reach = max(1, math.ceil(size * style.outline_percent / 100))
        brush = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
        outline = cv2.dilate(letters, brush).astype(np.uint8)
        picture = _over(picture, outline, style.outline_color)
    return np.rint(_over(picture, letters, style.color)).astype(np.uint8)


def _over(picture: Picture, mask: Mask, color: str) -> Picture:
    """The picture with a colour over it, as far as the mask covers."""
    *paint, opacity = _color(color)
    above = mask[..., None].astype(np.float32) * (opacity / 255)
    below = picture[..., 3:] * (1 - above / 255)
    covered = above + below
    mixed = np.array(paint, np.float32) * above + picture[..., :3] * below
    return np.dstack([mixed / np.maximum(covered, 1e-6), covered])


def _color(value: str) -> tuple[int, int, int, int]:
    """Blue, green, red, opacity."""
    red, green, blue, *rest = bytes.fromhex(value[1:])
    return blue, green, red, rest[0] if rest else 255


def draw_captions(
    words: tuple[Words, ...], style: CaptionsStyle, output: Output, folder: Path
) -> Iterator[Drawn]:
    """The pictures of a segment's captions, in a folder of its own."""
    for index, one in enumerate(words):
        folder.mkdir(parents=True, exist_ok=True)
        yield draw(one, style, output, folder / f"{index}.png")
