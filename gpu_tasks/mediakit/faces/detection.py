"""Where faces are: BlazeFace (Bazarevsky et al. 2019) over a pyramid of squares of the frame.

The network sees faces that fill a tenth or more of what it is shown. So it is shown the whole
frame first; where that has no face, ever smaller overlapping squares of it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from gpu_tasks.mediakit.faces import networks
from gpu_tasks.mediakit.faces.crops import Points, Square, moved
from gpu_tasks.mediakit.film import Frame

MIN_SCORE = 0.6
"""Of a detection to be believed, 0 to 1."""
LEVELS = 3
"""How often the squares are halved, the whole frame counted."""
MIN_SQUARE = 96
"""Pixels: a face in a smaller square is too small for any use."""
SAME_FACE = 0.35
"""Overlap, of the smaller box, above which two detections are of one face."""
STRIDES = ((8, 2), (16, 6))
"""Of the network's grids, with the anchors in each cell (its model card)."""
VALUES = 16
"""For an anchor: a box's centre and size, and six points."""


@dataclass(frozen=True)
class Face:
    """A face in a frame; pixels."""

    left: float
    top: float
    right: float
    bottom: float
    score: float
    keypoints: Points
    """6 × 2: the person's right eye, left eye, tip of the nose, mouth, right ear, left ear."""

    @property
    def area(self) -> float:
        """Of its box."""
        return max(0.0, self.right - self.left) * max(0.0, self.bottom - self.top)

    def overlap(self, other: "Face") -> float:
        """What both boxes share, of the smaller one."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        smaller = min(self.area, other.area)
        return max(0.0, width) * max(0.0, height) / smaller if smaller > 0 else 0.0


def detect(frame: Frame, *, levels: int = LEVELS) -> tuple[Face, ...]:
    """The faces of a frame, the largest first, from the first level of squares that has any."""
    for squares in _pyramid(frame.shape[1], frame.shape[0], levels):
        found = [face for square in squares for face in _in_square(frame, square)]
        if found:
            return _distinct(found)
    return ()


def _pyramid(width: int, height: int, levels: int) -> Iterator[list[Square]]:
    whole = Square(x=(width - 1) / 2, y=(height - 1) / 2, side=float(max(width, height)))
    side = float(min(width, height))
    # A square frame's own square is the whole of it.
    first = [whole] if width == height else [whole, *_tiles(width, height, side)]
    yield first
    for _ in range(1, levels):
        side /= 2
        if side < MIN_SQUARE:
            return
        yield _tiles(width, height, side)


def _tiles(width: int, height: int, side: float) -> list[Square]:
    """Squares that overlap by half or more, so that what is half as large is whole in one."""
    columns, rows = (1 + int(np.ceil((length - side) / side * 2)) for length in (width, height))
    xs = np.linspace(side / 2, width - side / 2, columns)
    ys = np.linspace(side / 2, height - side / 2, rows)
    return [Square(x=float(x), y=float(y), side=side) for y in ys for x in xs]


@cache
def _anchors() -> NDArray[np.float32]:
    """The centres that the network's boxes are told from, in its own pixels."""
    side = networks.DETECTION.side
    grids = []
    for stride, per_cell in STRIDES:
        cells = (np.arange(side // stride, dtype=np.float32) + 0.5) * stride
        grid = np.stack(np.meshgrid(cells, cells), axis=-1).reshape(-1, 2)
        grids.append(np.repeat(grid, per_cell, axis=0))
    return np.concatenate(grids)


def _in_square(frame: Frame, square: Square) -> Iterator[Face]:
    side = networks.DETECTION.side
    picture = square.cut(frame, side)
    boxes, scores = networks.outputs(networks.DETECTION, picture, low=-1.0)
    shares = networks.sigmoid(scores.reshape(-1))
    chosen = np.flatnonzero(shares >= MIN_SCORE)
    boxes = boxes.reshape(-1, VALUES // 2, 2)[chosen]
    anchors = _anchors()[chosen]
    sizes = boxes[:, 1] / 2
    points = boxes + anchors[:, None]
    corners = np.stack([points[:, 0] - sizes, points[:, 0] + sizes], axis=1)
    matrix = square.to_frame(side)
    for index, share in enumerate(shares[chosen]):
        (left, top), (right, bottom) = moved(corners[index], matrix)
        keypoints = moved(points[index, 2:], matrix)
        box = float(left), float(top), float(right), float(bottom)
        yield Face(*box, float(share), keypoints)


def _distinct(found: list[Face]) -> tuple[Face, ...]:
    """One face for each group that overlaps: their mean, weighted by their scores."""
    left = sorted(found, key=lambda face: -face.score)
    faces = []
    while left:
        group = [face for face in left if face.overlap(left[0]) > SAME_FACE]
        group = group or left[:1]
        left = [face for face in left if not any(face is one for one in group)]
        faces.append(_mean(group))
    return tuple(sorted(faces, key=lambda face: -face.area))


def _mean(group: list[Face]) -> Face:
    weights = np.array([face.score for face in group])
    boxes = np.array([(face.left, face.top, face.right, face.bottom) for face in group])
    left, top, right, bottom = map(float, np.average(boxes, axis=0, weights=weights))
    points = np.average([face.keypoints for face in group], axis=0, weights=weights)
    return Face(left, top, right, bottom, group[0].score, points.astype(np.float32))
