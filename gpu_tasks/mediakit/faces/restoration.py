"""Restoration of changed faces: a network redraws an aligned face, which is blended back.

It works on any frame with landmarks of `mesh`. Only the chosen region is changed.
"""

from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from gpu_tasks.mediakit.faces.crops import Points
from gpu_tasks.mediakit.faces.regions import LEFT_EYE, OUTER_LIPS, OVAL, RIGHT_EYE
from gpu_tasks.mediakit.film import Frame

SIDE = 512
ALIGNED_RIGHT_EYE, ALIGNED_LEFT_EYE, ALIGNED_MOUTH = (193.0, 240.0), (319.0, 240.0), (257.0, 370.0)
"""The middles of eyes and mouth in the network's training pictures (aligned as in FFHQ)."""
FEATHER = 0.05
"""Softness of the region's edge: the deviation of a Gaussian, in sides of the aligned face."""
REACH = round(3 * FEATHER * SIDE)
"""How far beyond the region the feather ends, in pixels of the aligned face."""
BATCH = 4

Network = Callable[[Any], Any]
"""Pictures N × 3 × 512 × 512 from -1 to 1 in single precision in, the same out."""


class FaceRestorer:
    """A loaded network, for one thread at a time."""

    def __init__(self, network: Network, device: str) -> None:
        self._network = network
        self._device = device

    def restore(
        self,
        frames: Sequence[Frame],
        landmarks: Sequence[Points],
        *,
        region: Sequence[int] = OVAL,
        share: float = 1.0,
    ) -> list[Frame]:
        """Redraw the faces of frames, by ``share``, inside the hull of ``region``."""
        restored: list[Frame] = []
        for start in range(0, len(frames), BATCH):
            batch = slice(start, start + BATCH)
            restored += self._restore_batch(frames[batch], landmarks[batch], region, share)
        return restored

    def _restore_batch(
        self,
        frames: Sequence[Frame],
        landmarks: Sequence[Points],
        region: Sequence[int],
        share: float,
    ) -> list[Frame]:
        alignments = [build_alignment(points) for points in landmarks]
        faces = [_cut_face(frame, matrix) for frame, matrix in zip(frames, alignments, strict=True)]
        restored = self._redraw_faces(np.stack(faces))
        parts = zip(frames, landmarks, alignments, restored, strict=True)
        return [
            blend_face(frame, face, matrix, points[list(region), :2], share)
            for frame, points, matrix, face in parts
        ]

    def _redraw_faces(self, faces: NDArray[np.uint8]) -> NDArray[np.uint8]:
        pictures = torch.from_numpy(faces).to(self._device).permute(0, 3, 1, 2) / 127.5 - 1
        with torch.inference_mode():
            # GFPGAN needs contiguous memory.
            restored = self._network(pictures.contiguous())
        pixels = ((restored + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)
        return np.asarray(pixels.cpu().numpy(), np.uint8)


def build_alignment(points: Points) -> NDArray[np.float64]:
    """Return the 2 × 3 similarity from the frame to the aligned face."""
    eyes = [points[list(ring), :2].mean(axis=0) for ring in (RIGHT_EYE, LEFT_EYE)]
    positions = np.array([*eyes, points[list(OUTER_LIPS), :2].mean(axis=0)], np.float64)
    goals = np.array([ALIGNED_RIGHT_EYE, ALIGNED_LEFT_EYE, ALIGNED_MOUTH])
    middle, target = positions.mean(axis=0), goals.mean(axis=0)
    # Least squares over similarities, as complex numbers (Umeyama 1991).
    before, after = (
        (vertices - mean) @ [1, 1j] for vertices, mean in ((positions, middle), (goals, target))
    )
    factor = np.vdot(before, after) / max(float(np.vdot(before, before).real), 1e-9)
    turn = np.array([[factor.real, -factor.imag], [factor.imag, factor.real]])
    return np.column_stack([turn, target - turn @ middle])


def _cut_face(frame: Frame, matrix: NDArray[np.float64]) -> Frame:
    face = cv2.warpAffine(frame, matrix, (SIDE, SIDE), borderMode=cv2.BORDER_REFLECT)
    return np.asarray(face, np.uint8)


def blend_face(
    frame: Frame,
    face: Frame,
    matrix: NDArray[np.float64],
    region: Points,
    share: float,
) -> Frame:
    """Return a new frame with the aligned face put back over ``region``.

    The region is N × 2 points of the frame.
    """
    hull = cv2.convexHull((region @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)).round()
    low, high = hull.min(axis=(0, 1)) - REACH, hull.max(axis=(0, 1)) + REACH + 1
    (left, top), (right, bottom) = np.clip((low, high), 0, SIDE).astype(int)
    restored = frame.copy()
    part, part_matrix = _cover_box(restored, matrix, (left, top, right, bottom))
    if part.size:
        mask = np.zeros((bottom - top, right - left), np.float32)
        cv2.fillConvexPoly(mask, (hull - (left, top)).astype(np.int32), (share,))
        mask = cv2.GaussianBlur(mask, (2 * REACH + 1, 2 * REACH + 1), FEATHER * SIDE)
        size, flags = part.shape[1::-1], cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        warped = cv2.warpAffine(face[top:bottom, left:right], part_matrix, size, flags=flags)
        weight = cv2.warpAffine(mask, part_matrix, size, flags=flags)
        part[:] = cv2.blendLinear(warped, part, weight, 1 - weight)
    return restored


def _cover_box(
    frame: Frame, matrix: NDArray[np.float64], box: tuple[int, int, int, int]
) -> tuple[Frame, NDArray[np.float64]]:
    """Return the part of the frame that a box of the aligned face covers, and its matrix.

    The matrix leads from the part to the box, which is left, top, right and bottom. A box without
    an area covers nothing.
    """
    left, top, right, bottom = box
    if left >= right or top >= bottom:
        return frame[:0, :0], matrix
    corners = np.array([[left, top], [right, top], [left, bottom], [right, bottom]])
    covered = (corners - matrix[:, 2]) @ np.linalg.inv(matrix[:, :2]).T
    limit = np.array(frame.shape[1::-1])
    start = np.clip(np.floor(covered.min(axis=0)).astype(int), 0, limit)
    end = np.clip(np.ceil(covered.max(axis=0)).astype(int) + 1, 0, limit)
    shift = matrix[:, 2] + matrix[:, :2] @ start - (left, top)
    part = frame[start[1] : end[1], start[0] : end[0]]
    return part, np.column_stack([matrix[:, :2], shift])
