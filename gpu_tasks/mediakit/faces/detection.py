"""Face detection: BlazeFace (Bazarevsky et al. 2019) over a pyramid of squares of the frame.

The network sees faces that fill a tenth or more of its picture. So it gets the whole frame first
and, if that has no face, ever smaller overlapping squares of it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from gpu_tasks.mediakit.faces import networks
from gpu_tasks.mediakit.faces.crops import Points, Square, transform_points
from gpu_tasks.mediakit.film import Frame

MIN_SCORE = 0.6
"""The lowest score of an accepted detection, 0 to 1."""
LEVELS = 3
"""The number of square sizes, including the whole frame; each is half the previous one."""
MIN_SQUARE = 96
"""The smallest square in pixels. A face in a smaller one is too small to be useful."""
SAME_FACE = 0.35
"""The overlap, as a share of the smaller box, above which two detections are one face."""
STRIDES = ((8, 2), (16, 6))
"""Strides of the network's grids, with the anchors in each cell (its model card)."""
VALUES = 16
"""The values of an anchor: a box's centre and size, and six points."""


@dataclass(frozen=True)
class Face:
    """A face in a frame; the unit is pixels."""

    left: float
    top: float
    right: float
    bottom: float
    score: float
    keypoints: Points
    """6 × 2: the person's right eye, left eye, tip of the nose, mouth, right ear, left ear."""

    @property
    def area(self) -> float:
        """Return the area of its box."""
        return max(0.0, self.right - self.left) * max(0.0, self.bottom - self.top)

    def overlap(self, other: "Face") -> float:
        """Return the area that both boxes share, as a share of the smaller one."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        smaller = min(self.area, other.area)
        return max(0.0, width) * max(0.0, height) / smaller if smaller > 0 else 0.0


def detect_faces(frame: Frame, *, levels: int = LEVELS) -> tuple[Face, ...]:
    """Return a frame's faces, largest first, from the first level of squares that has any."""
    for squares in _build_pyramid(frame.shape[1], frame.shape[0], levels):
        faces = [face for square in squares for face in _detect_in_square(frame, square)]
        if faces:
            return _merge_faces(faces)
    return ()


def _build_pyramid(width: int, height: int, levels: int) -> Iterator[list[Square]]:
    full_square = Square(x=(width - 1) / 2, y=(height - 1) / 2, side=float(max(width, height)))
    side = float(min(width, height))
    # The largest tile of a square frame is the whole frame already.
    first_level = (
        [full_square] if width == height else [full_square, *_build_tiles(width, height, side)]
    )
    yield first_level
    for _ in range(1, levels):
        side /= 2
        if side < MIN_SQUARE:
            return
        yield _build_tiles(width, height, side)


def _build_tiles(width: int, height: int, side: float) -> list[Square]:
    """Return squares that overlap by half or more, so that smaller faces are whole in one."""
    columns, rows = (1 + int(np.ceil((length - side) / side * 2)) for length in (width, height))
    xs = np.linspace(side / 2, width - side / 2, columns)
    ys = np.linspace(side / 2, height - side / 2, rows)
    return [Square(x=float(x), y=float(y), side=side) for y in ys for x in xs]


@cache
def _build_anchors() -> NDArray[np.float32]:
    """Return the centres to which the network's boxes are relative, in its own pixels."""
    side = networks.DETECTION.side
    grids = []
    for stride, per_cell in STRIDES:
        cells = (np.arange(side // stride, dtype=np.float32) + 0.5) * stride
        grid = np.stack(np.meshgrid(cells, cells), axis=-1).reshape(-1, 2)
        grids.append(np.repeat(grid, per_cell, axis=0))
    return np.concatenate(grids)


def _detect_in_square(frame: Frame, square: Square) -> Iterator[Face]:
    side = networks.DETECTION.side
    picture = square.cut(frame, side)
    boxes, scores = networks.run_network(networks.DETECTION, picture, low=-1.0)
    shares = networks.sigmoid(scores.reshape(-1))
    accepted = np.flatnonzero(shares >= MIN_SCORE)
    boxes = boxes.reshape(-1, VALUES // 2, 2)[accepted]
    anchors = _build_anchors()[accepted]
    sizes = boxes[:, 1] / 2
    points = boxes + anchors[:, None]
    corners = np.stack([points[:, 0] - sizes, points[:, 0] + sizes], axis=1)
    matrix = square.to_frame(side)
    for index, share in enumerate(shares[accepted]):
        (left, top), (right, bottom) = transform_points(corners[index], matrix)
        keypoints = transform_points(points[index, 2:], matrix)
        box = float(left), float(top), float(right), float(bottom)
        yield Face(*box, float(share), keypoints)


def _merge_faces(detections: list[Face]) -> tuple[Face, ...]:
    """Return one face for each overlapping group: their mean, weighted by their scores."""
    remaining = sorted(detections, key=lambda face: -face.score)
    faces = []
    while remaining:
        group = [face for face in remaining if face.overlap(remaining[0]) > SAME_FACE]
        group = group or remaining[:1]
        remaining = [face for face in remaining if not any(face is member for member in group)]
        faces.append(_average_faces(group))
    return tuple(sorted(faces, key=lambda face: -face.area))


def _average_faces(group: list[Face]) -> Face:
    weights = np.array([face.score for face in group])
    boxes = np.array([(face.left, face.top, face.right, face.bottom) for face in group])
    left, top, right, bottom = map(float, np.average(boxes, axis=0, weights=weights))
    points = np.average([face.keypoints for face in group], axis=0, weights=weights)
    return Face(left, top, right, bottom, group[0].score, points.astype(np.float32))
