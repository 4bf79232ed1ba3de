"""Draw captions as pictures, with the fonts that come in OpenCV's package."""

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
"""OpenCV's names of the fonts."""
WEIGHT, BOLD = 500, 800
MIN_LETTERS = 8
"""In pixels: smaller letters cannot be read."""
MARGIN = 16
"""The distance of captions from the edges is the output's height divided by this."""

Mask = NDArray[np.uint8]
"""Grey levels: how much of a pixel is covered."""
Picture = NDArray[np.float32]
"""Height × width × 4: blue, green, red and opacity, each from 0 to 255."""


@dataclass(frozen=True)
class CaptionPicture:
    """A caption's picture and the position of its upper left corner."""

    words: Words
    path: Path
    left: int
    top: int


def draw_caption(words: Words, style: CaptionsStyle, output: Output, path: Path) -> CaptionPicture:
    """Write a caption as PNG; return where it goes."""
    text = words.text.upper() if style.uppercase else words.text
    picture = _draw_box(_wrap_lines(text, style), style, output)
    height, width = picture.shape[:2]
    cv2.imwrite(str(path), picture)
    margin = output.height // MARGIN
    left = _compute_caption_offset(style.alignment, output.width - width, margin)
    top = _compute_caption_offset(style.position, output.height - height, margin)
    # In 4:2:0, pairs of pixels share a colour.
    return CaptionPicture(words, path, left // 2 * 2, top // 2 * 2)


def _compute_caption_offset(alignment: str, space: int, margin: int) -> int:
    if alignment in ("center", "middle"):
        return space // 2
    return min(margin, space) if alignment in ("left", "top") else max(0, space - margin)


def _wrap_lines(text: str, style: CaptionsStyle) -> list[str]:
    width = style.max_line_length
    return [line for paragraph in text.splitlines() for line in wrap(paragraph, width)][:MAX_LINES]


def _draw_box(lines: list[str], style: CaptionsStyle, output: Output) -> Mask:
    size = max(MIN_LETTERS, int(min(output.width, output.height) * style.size_percent / 100))
    masks = [_draw_line(line, size, style, output.width) for line in lines]
    masks = masks or [np.zeros((2, 2), np.uint8)]
    width = min(output.width, max(mask.shape[1] for mask in masks)) // 2 * 2
    height = min(output.height, sum(mask.shape[0] for mask in masks)) // 2 * 2
    picture = np.zeros((height, width, 4), np.uint8)
    if style.background_color:
        picture[:] = _parse_color(style.background_color)
    top = 0
    for mask in masks:
        visible = mask[: max(0, height - top), :width]
        left = _compute_caption_offset(style.alignment, width - visible.shape[1], 0)
        region = picture[top : top + visible.shape[0], left : left + visible.shape[1]]
        region[:] = _draw_letters(region, visible, size, style)
        top += visible.shape[0]
    return picture


def _draw_line(line: str, size: int, style: CaptionsStyle, max_width: int) -> Mask:
    """Return the mask of one line; letters shrink if the line would exceed the maximum width."""
    face, weight = cv2.FontFace(FONTS[style.font]), BOLD if style.bold else WEIGHT
    _, _, text_width, _ = cv2.getTextSize((0, 0), line, (0, 0), face, size, weight)
    font_size = (
        size
        if text_width + size <= max_width
        else max(MIN_LETTERS, size * (max_width - size) // text_width)
    )
    canvas = np.zeros((size * 2, min(max_width, text_width + size) + size), np.uint8)
    cv2.putText(canvas, line, (size // 2, int(size * 1.4)), 255, face, font_size, weight)
    ink_columns = np.flatnonzero(canvas.any(axis=0))
    end = ink_columns[-1] + 1 + size // 2 if ink_columns.size else size
    return canvas[:, :end]


def _draw_letters(background: Mask, letters: Mask, size: int, style: CaptionsStyle) -> Mask:
    """Draw letters and their outline over the background."""
    picture = background.astype(np.float32)
    if style.outline_color:
        reach = max(1, math.ceil(size * style.outline_percent / 100))
        brush = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
        outline = cv2.dilate(letters, brush).astype(np.uint8)
        picture = _blend_color(picture, outline, style.outline_color)
    return np.rint(_blend_color(picture, letters, style.color)).astype(np.uint8)


def _blend_color(picture: Picture, mask: Mask, color: str) -> Picture:
    """Return the picture with a colour blended over it as far as the mask covers."""
    *paint, opacity = _parse_color(color)
    above = mask[..., None].astype(np.float32) * (opacity / 255)
    below = picture[..., 3:] * (1 - above / 255)
    coverage = above + below
    mixed = np.array(paint, np.float32) * above + picture[..., :3] * below
    return np.dstack([mixed / np.maximum(coverage, 1e-6), coverage])


def _parse_color(value: str) -> tuple[int, int, int, int]:
    """Return blue, green, red and opacity."""
    red, green, blue, *alpha = bytes.fromhex(value[1:])
    return blue, green, red, alpha[0] if alpha else 255


def draw_captions(
    words: tuple[Words, ...], style: CaptionsStyle, output: Output, folder: Path
) -> Iterator[CaptionPicture]:
    """Draw a segment's captions into a folder of their own."""
    for index, caption in enumerate(words):
        folder.mkdir(parents=True, exist_ok=True)
        yield draw_caption(caption, style, output, folder / f"{index}.png")
