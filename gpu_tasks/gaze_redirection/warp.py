"""Move an iris within its eye: the eyeball slides under the lids, which stay in place.

What the lids hide is filled in first: the iris from its opposite side, because it is round, the
white from its nearest visible pixels. Then the picture of the eyeball is warped, fully under the
iris and less and less around it, and pasted into the opening of the eye with a feathered edge.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from gpu_tasks.mediakit.faces.crops import Points
from gpu_tasks.mediakit.faces.limbus import measure_depths
from gpu_tasks.mediakit.film import Frame

Field = NDArray[np.float32]

WORKING_WIDTH = 80
"""In pixels: a smaller eye is enlarged first, so that its edges are finer than its pixels."""
MAX_ENLARGEMENT = 4
MARGIN = 0.45
"""The margin around the lids, in widths of the eye."""
INSET = 0.04
"""The distance inside the opening's edge from which pixels change, in widths of the eye."""
CLEAR = 0.055
"""The distance inside the edge from which pixels count as eyeball, because lids are inexact."""
FEATHER = 0.02
"""The blur of the changed region's edge, in widths of the eye."""
NOTABLE = 0.03
"""In widths of the eye: pixels that move less are blended with the original in proportion."""
SOFT = 0.015
"""The blur of filled-in pixels, in widths of the eye."""
CORE = 0.88
"""The part of the iris without any other colour, in radii."""
RIGID = 1.1
"""The part that moves without being stretched, in radii of the iris."""
FALLOFF = 2.5
"""The width of the stretched ring in shifts, so that nothing folds over; at least a radius."""
PUPIL = 0.2
"""In radii of the iris: this much must stay between the lids."""


@dataclass(frozen=True)
class Opening:
    """The opening of an eye, in pixels of the frame."""

    lids: tuple[Points, ...]
    """Rings around the opening, N × 2 each: a point inside any of them is open."""
    iris: Points
    """The centre, of shape 2."""
    radius: float
    width: float


def limit_shift(opening: Opening, shift: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return the shift in pixels, shortened until the pupil stays between the lids."""
    shift = np.asarray(shift, np.float32)
    min_depth = min(PUPIL * opening.radius, _measure_depth_inside_lids(opening, opening.iris))
    for share in np.linspace(1.0, 0.0, 21):
        if _measure_depth_inside_lids(opening, opening.iris + shift * share) >= min_depth:
            return np.asarray(shift * share, np.float32)
    return np.zeros(2, np.float32)


def _measure_depth_inside_lids(opening: Opening, point: Points) -> float:
    """Return how far inside the lids a point is; negative outside."""
    position = float(point[0]), float(point[1])
    rings = (np.asarray(ring, np.float32).reshape(-1, 1, 2) for ring in opening.lids)
    return max(float(cv2.pointPolygonTest(ring, position, True)) for ring in rings)


def move_iris(frame: Frame, opening: Opening, shift: NDArray[np.floating]) -> None:
    """Move the iris by ``shift`` pixels, in place."""
    left, top, right, bottom = _find_bounds(frame, opening)
    if right - left < 2 or bottom - top < 2:
        return
    region = frame[top:bottom, left:right]
    scale = int(np.clip(np.ceil(WORKING_WIDTH / opening.width), 1, MAX_ENLARGEMENT))
    height, width = region.shape[:2]
    enlarged_region = cv2.resize(
        region, (width * scale, height * scale), interpolation=cv2.INTER_CUBIC
    ).astype(np.float32)
    # The centre of pixel 0 is half an enlarged pixel away from that of enlarged pixel 0.
    scaled_opening = _scale_opening(opening, np.array([left, top]), scale)
    depth = measure_depths(scaled_opening.lids, enlarged_region.shape) / scaled_opening.width
    eyeball = _complete_eyeball(enlarged_region, depth > CLEAR, scaled_opening)
    scaled_shift = np.asarray(shift, np.float32) * scale
    weights = _compute_motion_weights(scaled_opening, scaled_shift, enlarged_region.shape)
    shifted_eyeball = _shift_eyeball(eyeball, scaled_shift, weights)
    # Pixels that hardly move keep their values: filled-in pixels are worse than visible ones.
    blend = _smoothstep(
        weights * float(np.linalg.norm(scaled_shift)) / (NOTABLE * scaled_opening.width)
    )
    share = (_feather_mask(depth > INSET, scaled_opening) * blend)[..., None]
    result = shifted_eyeball * share + enlarged_region * (1 - share)
    reduced_result = cv2.resize(result, (width, height), interpolation=cv2.INTER_AREA)
    # Pixels beyond the edge keep their exact values.
    is_changed = cv2.resize(share, (width, height), interpolation=cv2.INTER_AREA)[..., None] > 1e-3
    region[:] = np.where(is_changed, reduced_result.round().clip(0, 255), region).astype(np.uint8)


def _find_bounds(frame: Frame, opening: Opening) -> tuple[int, int, int, int]:
    margin = MARGIN * opening.width
    lids = np.concatenate(opening.lids)
    low = np.floor(lids.min(axis=0) - margin).astype(int)
    high = np.ceil(lids.max(axis=0) + margin).astype(int) + 1
    height, width = frame.shape[:2]
    left, right = np.clip([low[0], high[0]], 0, width)
    top, bottom = np.clip([low[1], high[1]], 0, height)
    return int(left), int(top), int(right), int(bottom)


def _scale_opening(opening: Opening, corner: NDArray[np.integer], scale: int) -> Opening:
    def transform(points: Points) -> Points:
        return np.asarray((points - corner + 0.5) * scale - 0.5, np.float32)

    return Opening(
        lids=tuple(map(transform, opening.lids)),
        iris=transform(opening.iris),
        radius=opening.radius * scale,
        width=opening.width * scale,
    )


def _feather_mask(inside: NDArray[np.bool_], opening: Opening) -> Field:
    mask = inside.astype(np.float32)
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), FEATHER * opening.width), np.float32)


def _complete_eyeball(picture: Field, is_visible: NDArray[np.bool_], opening: Opening) -> Field:
    """Return the eyeball without lids, as far as it can be reconstructed."""
    ys, xs = np.indices(is_visible.shape, np.float32)
    distance = np.hypot(xs - opening.iris[0], ys - opening.iris[1]) / opening.radius
    opposite = 2 * opening.iris[0] - xs, 2 * opening.iris[1] - ys
    core = is_visible & (distance < CORE)
    opposite_visible = cv2.remap(core.astype(np.uint8), *opposite, cv2.INTER_NEAREST) > 0
    opposite_picture = cv2.remap(picture, *opposite, cv2.INTER_LINEAR)
    iris = _fill_from_nearest(
        np.where(core[..., None], picture, opposite_picture), core | opposite_visible
    )
    white = _fill_from_nearest(picture, is_visible & (distance > RIGID))
    hidden = np.where((distance < 1)[..., None], iris, white)
    hidden = cv2.GaussianBlur(hidden, (0, 0), SOFT * opening.width)
    return np.asarray(np.where(is_visible[..., None], picture, hidden), np.float32)


def _fill_from_nearest(picture: Field, is_known: NDArray[np.bool_]) -> Field:
    """Fill unknown pixels from the nearest known one."""
    if not is_known.any():
        return picture
    _, labels = cv2.distanceTransformWithLabels(
        (~is_known).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    nearest = np.zeros(int(labels.max()) + 1, np.int64)
    known_indices = np.flatnonzero(is_known)
    nearest[labels.ravel()[known_indices]] = known_indices
    return np.asarray(picture.reshape(-1, 3)[nearest[labels]], np.float32)


def _compute_motion_weights(
    opening: Opening, shift: NDArray[np.float32], shape: tuple[int, ...]
) -> Field:
    """Return how much each pixel moves with the iris, from 0 to 1."""
    ys, xs = np.indices(shape[:2], np.float32)
    x, y = opening.iris + shift
    reach = max(opening.radius, FALLOFF * float(np.linalg.norm(shift)))
    distance = np.hypot(xs - x, ys - y)
    return _smoothstep((RIGID * opening.radius + reach - distance) / reach)


def _shift_eyeball(eyeball: Field, shift: NDArray[np.float32], weights: Field) -> Field:
    ys, xs = np.indices(weights.shape, np.float32)
    map_x, map_y = xs - shift[0] * weights, ys - shift[1] * weights
    result = cv2.remap(eyeball, map_x, map_y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(result, np.float32)


def _smoothstep(share: Field) -> Field:
    clipped = np.clip(share, 0, 1)
    return np.asarray(clipped * clipped * (3 - 2 * clipped), np.float32)
