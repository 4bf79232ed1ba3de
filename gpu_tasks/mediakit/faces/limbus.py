"""The edge of an iris in the picture itself: a dark disc in a bright eye (after Daugman 1993).

The network's irises are biased towards the middle of the eye. So its disc is moved to where the
picture has the most contrast between a disc and the ring around it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from gpu_tasks.mediakit.faces.crops import Points, Square
from gpu_tasks.mediakit.film import Frame

WIDTH = 48
"""Width of the eye in the examined picture, from corner to corner, in pixels."""
SIDE = 84
RIM = 0.05
"""Width of the opening's edge, where the lashes are dark, in widths of the eye."""
RADII = (0.85, 0.93, 1.0, 1.08, 1.17)
"""The radii that are tried, relative to the network's."""
RING = 1.4
"""The outer edge of the ring, in radii."""
REACH = 0.3
"""The largest distance from the network's centre, in widths of the eye."""
LEASH = 1.5
"""Penalty of contrast for the squared distance from the network's centre, in widths of the eye."""
MIN_VISIBLE_SHARE = 0.35
"""The share of a disc that must lie between the lids."""
MIN_CONTRAST = 0.25
"""With less contrast, the network's disc is used. 1 is black on white."""

Map = NDArray[np.float32]


@dataclass(frozen=True)
class Disc:
    """An iris: its centre (2) and radius, in pixels of the frame."""

    centre: Points
    radius: float
    contrast: float = 0.0
    """How much darker it is than its surroundings, 0 to 1; 0 if not measured."""


def refine_disc(frame: Frame, lids: Sequence[Points], width: float, disc: Disc) -> Disc:
    """Return the disc with the most contrast inside any of the rings of lids.

    If the picture has too little contrast, the position stays.
    """
    middle = np.concatenate(lids).mean(axis=0)
    square = Square(float(middle[0]), float(middle[1]), width * SIDE / WIDTH)
    to_frame = square.to_frame(SIDE)
    scale = to_frame[0, 0]
    rings = [(ring - to_frame[:, 2]) / scale for ring in lids]
    opening = (measure_depths(rings, (SIDE, SIDE)) > RIM * WIDTH).astype(np.uint8)
    if not opening.any():
        return disc
    # Skin and the white of the eye are bright in the red channel, irises of all colours are dark.
    dark = _measure_darkness(square.cut(frame, SIDE)[..., 0], opening)
    guess = (disc.centre - to_frame[:, 2]) / scale
    candidates = [
        _get_best_disc(dark, opening, guess, disc.radius / scale * share) for share in RADII
    ]
    score, centre, radius = max(candidates, key=lambda candidate: candidate[0])
    if score < MIN_CONTRAST:
        return replace(disc, contrast=max(0.0, score))
    position = np.asarray(centre * scale + to_frame[:, 2], np.float32)
    return Disc(position, radius * scale, score)


def measure_depths(rings: Sequence[Points], shape: tuple[int, ...]) -> Map:
    """Return how many pixels each pixel is inside of any of the rings; 0 outside."""
    mask = np.zeros(shape[:2], np.uint8)
    for ring in rings:
        # OpenCV takes sixteenths of a pixel.
        cv2.fillPoly(mask, [(ring * 16).round().astype(np.int32)], (255,), cv2.LINE_8, 4)
    return np.asarray(cv2.distanceTransform(mask, cv2.DIST_L2, cv2.DIST_MASK_PRECISE), np.float32)


def _measure_darkness(red: NDArray[np.uint8], opening: NDArray[np.uint8]) -> Map:
    """Return 0 for the brightest pixel in the opening and 1 for the darkest; 0 outside."""
    low, high = np.percentile(red[opening > 0], (5, 95))
    share = (high - red.astype(np.float32)) / max(24.0, high - low)
    return np.asarray(np.clip(share, 0, 1) * opening, np.float32)


def _get_best_disc(
    dark: Map, opening: NDArray[np.uint8], guess: Points, radius: float
) -> tuple[float, NDArray[np.float64], float]:
    """Return the score, centre and radius of the best disc with this radius."""
    score = _measure_contrast(dark, opening.astype(np.float32), radius)
    ys, xs = np.indices(score.shape, np.float32)
    distance = np.hypot(xs - guess[0], ys - guess[1]) / WIDTH
    score = np.where(distance < REACH, score - LEASH * distance**2, -1.0).astype(np.float32)
    y, x = np.unravel_index(int(score.argmax()), score.shape)
    centre = np.array(
        [x + _interpolate_peak(score[y], int(x)), y + _interpolate_peak(score[:, x], int(y))]
    )
    return float(score[y, x]), centre, radius


def _measure_contrast(dark: Map, opening: Map, radius: float) -> Map:
    """Return how much darker a disc around each pixel is than its ring, between the lids."""
    disc = _draw_disc(radius, radius * RING)
    disc_and_ring = _draw_disc(radius * RING, radius * RING)
    inner, outer = _convolve(dark, disc), _convolve(dark, disc_and_ring)
    inner_visible, outer_visible = _convolve(opening, disc), _convolve(opening, disc_and_ring)
    ring_visible = outer_visible - inner_visible
    contrast = inner / np.maximum(inner_visible, 1) - (outer - inner) / np.maximum(ring_visible, 1)
    is_visible = (inner_visible > MIN_VISIBLE_SHARE * disc.sum()) & (ring_visible > 1)
    return np.asarray(np.where(is_visible, contrast, -1.0), np.float32)


def _draw_disc(radius: float, reach: float) -> Map:
    half = int(np.ceil(reach)) + 1
    ys, xs = np.mgrid[-half : half + 1, -half : half + 1]
    # Pixels on the edge count by about the share that is inside.
    return np.asarray(np.clip(radius + 0.5 - np.hypot(xs, ys), 0, 1), np.float32)


def _convolve(values: Map, kernel: Map) -> Map:
    return np.asarray(
        cv2.filter2D(values, cv2.CV_32F, kernel, borderType=cv2.BORDER_CONSTANT), np.float32
    )


def _interpolate_peak(values: Map, index: int) -> float:
    """Return the offset of the peak of a parabola through the best value and its neighbours."""
    if not 0 < index < len(values) - 1:
        return 0.0
    before, best, after = (float(value) for value in values[index - 1 : index + 2])
    bend = before - 2 * best + after
    return float(np.clip((before - after) / (2 * bend), -0.5, 0.5)) if bend < 0 else 0.0
