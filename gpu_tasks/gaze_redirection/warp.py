"""Move an iris within its eye: the eyeball slides under the lids, which stay where they are.

What the lids hide is filled in first: the iris by its own other side, for it is round, the white
by what of it is nearest. Then the picture of the eyeball is warped, full under the iris and less
and less around it, and laid into the opening of the eye, whose edge is feathered.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from gpu_tasks.mediakit.faces.crops import Points
from gpu_tasks.mediakit.faces.limbus import depths
from gpu_tasks.mediakit.film import Frame

Field = NDArray[np.float32]

WORKING_WIDTH = 80
"""Pixels: a smaller eye is enlarged for the work, so that its edges are finer than its pixels."""
MAX_ENLARGEMENT = 4
MARGIN = 0.45
"""Around the lids, in widths of the eye."""
INSET = 0.04
"""What is left of the opening's edge, in widths of the eye: lashes and rims of the lids stay."""
CLEAR = 0.055
"""As much of the edge is not taken for eyeball, for lids are not seen that exactly."""
FEATHER = 0.02
"""Of that edge, in widths of the eye."""
NOTABLE = 0.03
"""In widths of the eye: what moves less is only blended in by so much."""
SOFT = 0.015
"""How far what is filled in is blurred, in widths of the eye."""
CORE = 0.88
"""The part of the iris that is its own colour alone, in radii."""
RIGID = 1.1
"""The part that moves without being stretched, in radii of the iris."""
FALLOFF = 2.5
"""How far the stretched ring reaches: in shifts, so that nothing folds over, at least a radius."""
PUPIL = 0.2
"""In radii of the iris: this much must stay between the lids."""


@dataclass(frozen=True)
class Opening:
    """What of an eye the warp must know; pixels of the frame."""

    lids: tuple[Points, ...]
    """Rings around the opening, N × 2 each: what is inside of any is open."""
    iris: Points
    """The centre, 2."""
    radius: float
    width: float


def kept_inside(opening: Opening, shift: NDArray[np.floating]) -> NDArray[np.float32]:
    """The shift in pixels, shortened until the pupil stays between the lids."""
    shift = np.asarray(shift, np.float32)
    least = min(PUPIL * opening.radius, _depth(opening, opening.iris))
    for share in np.linspace(1.0, 0.0, 21):
        if _depth(opening, opening.iris + shift * share) >= least:
            return np.asarray(shift * share, np.float32)
    return np.zeros(2, np.float32)


def _depth(opening: Opening, point: Points) -> float:
    """How far inside the lids a point is; negative outside."""
    place = float(point[0]), float(point[1])
    rings = (np.asarray(ring, np.float32).reshape(-1, 1, 2) for ring in opening.lids)
    return max(float(cv2.pointPolygonTest(ring, place, True)) for ring in rings)


def move_iris(frame: Frame, opening: Opening, shift: NDArray[np.floating]) -> None:
    """Move the iris by ``shift`` pixels, in place."""
    left, top, right, bottom = _bounds(frame, opening)
    if right - left < 2 or bottom - top < 2:
        return
    part = frame[top:bottom, left:right]
    scale = int(np.clip(np.ceil(WORKING_WIDTH / opening.width), 1, MAX_ENLARGEMENT))
    height, width = part.shape[:2]
    enlarged = cv2.resize(
        part, (width * scale, height * scale), interpolation=cv2.INTER_CUBIC
    ).astype(np.float32)
    # The centre of pixel 0 is half an enlarged pixel away from that of enlarged pixel 0.
    local = _placed(opening, np.array([left, top]), scale)
    depth = depths(local.lids, enlarged.shape) / local.width
    eyeball = _completed(enlarged, depth > CLEAR, local)
    far = np.asarray(shift, np.float32) * scale
    following = _following(local, far, enlarged.shape)
    moved = _slid(eyeball, far, following)
    # What hardly moves stays as it was: what is filled in is worse than what is seen.
    moves = _smooth(following * float(np.linalg.norm(far)) / (NOTABLE * local.width))
    share = (_feathered(depth > INSET, local) * moves)[..., None]
    changed = moved * share + enlarged * (1 - share)
    small = cv2.resize(changed, (width, height), interpolation=cv2.INTER_AREA)
    # Pixels beyond the edge keep their very values.
    touched = cv2.resize(share, (width, height), interpolation=cv2.INTER_AREA)[..., None] > 1e-3
    part[:] = np.where(touched, small.round().clip(0, 255), part).astype(np.uint8)


def _bounds(frame: Frame, opening: Opening) -> tuple[int, int, int, int]:
    margin = MARGIN * opening.width
    lids = np.concatenate(opening.lids)
    low = np.floor(lids.min(axis=0) - margin).astype(int)
    high = np.ceil(lids.max(axis=0) + margin).astype(int) + 1
    height, width = frame.shape[:2]
    left, right = np.clip([low[0], high[0]], 0, width)
    top, bottom = np.clip([low[1], high[1]], 0, height)
    return int(left), int(top), int(right), int(bottom)


def _placed(opening: Opening, corner: NDArray[np.integer], scale: int) -> Opening:
    def place(points: Points) -> Points:
        return np.asarray((points - corner + 0.5) * scale - 0.5, np.float32)

    return Opening(
        lids=tuple(map(place, opening.lids)),
        iris=place(opening.iris),
        radius=opening.radius * scale,
        width=opening.width * scale,
    )


def _feathered(inside: NDArray[np.bool_], opening: Opening) -> Field:
    mask = inside.astype(np.float32)
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), FEATHER * opening.width), np.float32)


def _completed(picture: Field, seen: NDArray[np.bool_], opening: Opening) -> Field:
    """The eyeball without lids, as far as it can be told."""
    ys, xs = np.indices(seen.shape, np.float32)
    distance = np.hypot(xs - opening.iris[0], ys - opening.iris[1]) / opening.radius
    other = 2 * opening.iris[0] - xs, 2 * opening.iris[1] - ys
    core = seen & (distance < CORE)
    other_seen = cv2.remap(core.astype(np.uint8), *other, cv2.INTER_NEAREST) > 0
    other_side = cv2.remap(picture, *other, cv2.INTER_LINEAR)
    iris = _filled(np.where(core[..., None], picture, other_side), core | other_seen)
    white = _filled(picture, seen & (distance > RIGID))
    hidden = np.where((distance < 1)[..., None], iris, white)
    hidden = cv2.GaussianBlur(hidden, (0, 0), SOFT * opening.width)
    return np.asarray(np.where(seen[..., None], picture, hidden), np.float32)


def _filled(picture: Field, known: NDArray[np.bool_]) -> Field:
    """What is not known is as the nearest that is."""
    if not known.any():
        return picture
    _, labels = cv2.distanceTransformWithLabels(
        (~known).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    nearest = np.zeros(int(labels.max()) + 1, np.int64)
    seen = np.flatnonzero(known)
    nearest[labels.ravel()[seen]] = seen
    return np.asarray(picture.reshape(-1, 3)[nearest[labels]], np.float32)


def _following(opening: Opening, shift: NDArray[np.float32], shape: tuple[int, ...]) -> Field:
    """How much each pixel goes along with the iris, 0 to 1."""
    ys, xs = np.indices(shape[:2], np.float32)
    x, y = opening.iris + shift
    reach = max(opening.radius, FALLOFF * float(np.linalg.norm(shift)))
    distance = np.hypot(xs - x, ys - y)
    return _smooth((RIGID * opening.radius + reach - distance) / reach)


def _slid(eyeball: Field, shift: NDArray[np.float32], following: Field) -> Field:
    ys, xs = np.indices(following.shape, np.float32)
    map_x, map_y = xs - shift[0] * following, ys - shift[1] * following
    moved = cv2.remap(eyeball, map_x, map_y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, np.float32)


def _smooth(share: Field) -> Field:
    cut = np.clip(share, 0, 1)
    return np.asarray(cut * cut * (3 - 2 * cut), np.float32)
