"""The edge of an iris in the picture itself: a dark disc in a bright eye (after Daugman 1993).

The network's irises lean towards the middle of the eye: it knows eyes better than pixels. So its
disc is moved to where the picture has the most contrast between a disc and the ring around it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from gpu_tasks.mediakit.faces.crops import Points, Square
from gpu_tasks.mediakit.film import Frame

WIDTH = 48
"""Pixels that the eye is looked at in, from corner to corner."""
SIDE = 84
RIM = 0.05
"""In widths of the eye, of the opening's edge, where the lashes are dark."""
RADII = (0.85, 0.93, 1.0, 1.08, 1.17)
"""Tried, in radii of the network's."""
RING = 1.4
"""The outer edge of the ring, in radii."""
REACH = 0.3
"""Farthest from the network's centre, in widths of the eye."""
LEASH = 1.5
"""Contrast that a distance of one width must be worth, squared."""
MIN_SEEN = 0.35
"""Of a disc that must be between the lids."""
MIN_CONTRAST = 0.25
"""Below, the picture tells less than the network: 1 is black on white."""

Map = NDArray[np.float32]


@dataclass(frozen=True)
class Disc:
    """An iris: its centre (2) and radius, in pixels of the frame."""

    centre: Points
    radius: float
    contrast: float = 0.0
    """How much darker it is than what is around it, 0 to 1; 0 where that was not looked at."""


def refined(frame: Frame, lids: Sequence[Points], width: float, disc: Disc) -> Disc:
    """The disc as the picture has it, of what is inside of any of the rings of lids; the same
    where the picture does not tell.
    """
    middle = np.concatenate(lids).mean(axis=0)
    square = Square(float(middle[0]), float(middle[1]), width * SIDE / WIDTH)
    to_frame = square.to_frame(SIDE)
    scale = to_frame[0, 0]
    rings = [(ring - to_frame[:, 2]) / scale for ring in lids]
    opening = (depths(rings, (SIDE, SIDE)) > RIM * WIDTH).astype(np.uint8)
    if not opening.any():
        return disc
    # Skin and the white of the eye are bright in red, irises of all colours are dark.
    dark = _darkness(square.cut(frame, SIDE)[..., 0], opening)
    guess = (disc.centre - to_frame[:, 2]) / scale
    found = [_best(dark, opening, guess, disc.radius / scale * share) for share in RADII]
    score, centre, radius = max(found, key=lambda one: one[0])
    if score < MIN_CONTRAST:
        return replace(disc, contrast=max(0.0, score))
    place = np.asarray(centre * scale + to_frame[:, 2], np.float32)
    return Disc(place, radius * scale, score)


def depths(rings: Sequence[Points], shape: tuple[int, ...]) -> Map:
    """How many pixels each is inside of any of the rings; 0 outside."""
    mask = np.zeros(shape[:2], np.uint8)
    for ring in rings:
        # Sixteenths of a pixel.
        cv2.fillPoly(mask, [(ring * 16).round().astype(np.int32)], (255,), cv2.LINE_8, 4)
    return np.asarray(cv2.distanceTransform(mask, cv2.DIST_L2, cv2.DIST_MASK_PRECISE), np.float32)


def _darkness(red: NDArray[np.uint8], opening: NDArray[np.uint8]) -> Map:
    """0 for the brightest in the opening, 1 for the darkest; 0 outside."""
    low, high = np.percentile(red[opening > 0], (5, 95))
    share = (high - red.astype(np.float32)) / max(24.0, high - low)
    return np.asarray(np.clip(share, 0, 1) * opening, np.float32)


def _best(
    dark: Map, opening: NDArray[np.uint8], guess: Points, radius: float
) -> tuple[float, NDArray[np.float64], float]:
    """The score, centre and radius of the best disc of a radius."""
    score = _contrast(dark, opening.astype(np.float32), radius)
    ys, xs = np.indices(score.shape, np.float32)
    distance = np.hypot(xs - guess[0], ys - guess[1]) / WIDTH
    score = np.where(distance < REACH, score - LEASH * distance**2, -1.0).astype(np.float32)
    y, x = np.unravel_index(int(score.argmax()), score.shape)
    centre = np.array([x + _peak(score[y], int(x)), y + _peak(score[:, x], int(y))])
    return float(score[y, x]), centre, radius


def _contrast(dark: Map, opening: Map, radius: float) -> Map:
    """How much darker a disc around each pixel is than its ring, as far as both are seen."""
    disc, whole = _disc(radius, radius * RING), _disc(radius * RING, radius * RING)
    inner, outer = _summed(dark, disc), _summed(dark, whole)
    inner_seen, outer_seen = _summed(opening, disc), _summed(opening, whole)
    ring_seen = outer_seen - inner_seen
    contrast = inner / np.maximum(inner_seen, 1) - (outer - inner) / np.maximum(ring_seen, 1)
    seen = (inner_seen > MIN_SEEN * disc.sum()) & (ring_seen > 1)
    return np.asarray(np.where(seen, contrast, -1.0), np.float32)


def _disc(radius: float, reach: float) -> Map:
    half = int(np.ceil(reach)) + 1
    ys, xs = np.mgrid[-half : half + 1, -half : half + 1]
    # Pixels on the edge count by about as much of them as is inside.
    return np.asarray(np.clip(radius + 0.5 - np.hypot(xs, ys), 0, 1), np.float32)


def _summed(values: Map, kernel: Map) -> Map:
    return np.asarray(
        cv2.filter2D(values, cv2.CV_32F, kernel, borderType=cv2.BORDER_CONSTANT), np.float32
    )


def _peak(values: Map, at: int) -> float:
    """Where between pixels a parabola through the best and its neighbours is highest."""
    if not 0 < at < len(values) - 1:
        return 0.0
    before, best, after = (float(one) for one in values[at - 1 : at + 2])
    bend = before - 2 * best + after
    return float(np.clip((before - after) / (2 * bend), -0.5, 0.5)) if bend < 0 else 0.0
