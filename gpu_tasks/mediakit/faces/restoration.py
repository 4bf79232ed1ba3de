"""Restore faces that were changed: a network redraws an aligned face, which is blended back.

Takes any frame and landmarks of `mesh`; only what lies in the chosen region is changed.
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
RIGHT, LEFT, MOUTH = (193.0, 240.0), (319.0, 240.0), (257.0, 370.0)
"""Where the network has seen the middles of eyes and mouth, in its pixels (as FFHQ is aligned)."""
FEATHER = 0.05
"""Of the region's edge, in sides of the aligned face: the deviation of a Gaussian."""
REACH = round(3 * FEATHER * SIDE)
"""Pixels of the aligned face beyond the region where the feather ends."""
BATCH = 4

Network = Callable[[Any], Any]
"""Pictures N × 3 × 512 × 512 from -1 to 1 in single precision in, the same out."""


class FaceRestorer:
    """A loaded network; one thread at a time."""

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
        """The frames with their faces redrawn, by ``share``, inside the hull of ``region``."""
        restored: list[Frame] = []
        for start in range(0, len(frames), BATCH):
            batch = slice(start, start + BATCH)
            restored += self._restore(frames[batch], landmarks[batch], region, share)
        return restored

    def _restore(
        self,
        frames: Sequence[Frame],
        landmarks: Sequence[Points],
        region: Sequence[int],
        share: float,
    ) -> list[Frame]:
        aligned = [alignment(points) for points in landmarks]
        faces = [_cut(frame, matrix) for frame, matrix in zip(frames, aligned, strict=True)]
        drawn = self._draw(np.stack(faces))
        together = zip(frames, landmarks, aligned, drawn, strict=True)
        return [
            blended(frame, face, matrix, points[list(region), :2], share)
            for frame, points, matrix, face in together
        ]

    def _draw(self, faces: NDArray[np.uint8]) -> NDArray[np.uint8]:
        pictures = torch.from_numpy(faces).to(self._device).permute(0, 3, 1, 2) / 127.5 - 1
        with torch.inference_mode():
            # GFPGAN looks at them as rows of memory.
            drawn = self._network(pictures.contiguous())
        pixels = ((drawn + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)
        return np.asarray(pixels.cpu().numpy(), np.uint8)


def alignment(points: Points) -> NDArray[np.float64]:
    """2 × 3, from the frame to the aligned face: turned, scaled and moved, not sheared."""
    eyes = [points[list(ring), :2].mean(axis=0) for ring in (RIGHT_EYE, LEFT_EYE)]
    seen = np.array([*eyes, points[list(OUTER_LIPS), :2].mean(axis=0)], np.float64)
    wanted = np.array([RIGHT, LEFT, MOUTH])
    middle, target = seen.mean(axis=0), wanted.mean(axis=0)
    # Least squares over similarities, as complex numbers (Umeyama 1991).
    before, after = ((one - mean) @ [1, 1j] for one, mean in ((seen, middle), (wanted, target)))
    factor = np.vdot(before, after) / max(float(np.vdot(before, before).real), 1e-9)
    turn = np.array([[factor.real, -factor.imag], [factor.imag, factor.real]])
    return np.column_stack([turn, target - turn @ middle])


def _cut(frame: Frame, matrix: NDArray[np.float64]) -> Frame:
    face = cv2.warpAffine(frame, matrix, (SIDE, SIDE), borderMode=cv2.BORDER_REFLECT)
    return np.asarray(face, np.uint8)


def blended(
    frame: Frame,
    face: Frame,
    matrix: NDArray[np.float64],
    region: Points,
    share: float,
) -> Frame:
    """A new frame with the aligned face laid back over ``region`` (N × 2 points of the frame)."""
    hull = cv2.convexHull((region @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)).round()
    low, high = hull.min(axis=(0, 1)) - REACH, hull.max(axis=(0, 1)) + REACH + 1
    (left, top), (right, bottom) = np.clip((low, high), 0, SIDE).astype(int)
    restored = frame.copy()
    part, placed = _part(restored, matrix, (left, top, right, bottom))
    if part.size:
        mask = np.zeros((bottom - top, right - left), np.float32)
        cv2.fillConvexPoly(mask, (hull - (left, top)).astype(np.int32), (share,))
        mask = cv2.GaussianBlur(mask, (2 * REACH + 1, 2 * REACH + 1), FEATHER * SIDE)
        size, flags = part.shape[1::-1], cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        laid = cv2.warpAffine(face[top:bottom, left:right], placed, size, flags=flags)
        weight = cv2.warpAffine(mask, placed, size, flags=flags)
        part[:] = cv2.blendLinear(laid, part, weight, 1 - weight)
    return restored


def _part(
    frame: Frame, matrix: NDArray[np.float64], box: tuple[int, int, int, int]
) -> tuple[Frame, NDArray[np.float64]]:
    """What of the frame a box of the aligned face covers, and the matrix from there to the box.

    The box is left, top, right and bottom; one without an area covers nothing.
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
