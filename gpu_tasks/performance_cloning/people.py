"""Where the limbs of a person are: RT-DETR finds the person, ViTPose the joints."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from transformers import (
    RTDetrForObjectDetection,
    RTDetrImageProcessorPil,
    VitPoseForPoseEstimation,
    VitPoseImageProcessorPil,
)

from gpu_tasks.mediakit.faces.crops import Points
from gpu_tasks.mediakit.film import Frame
from gpu_tasks.performance_cloning.contract import CONTRACT
from gpu_tasks.performance_cloning.skeleton import Keypoints
from gpu_tasks.runtime.engine import Host

PERSON = 0
"""Of COCO's classes."""
MIN_SCORE = 0.3
"""Of a person; who is not found is taken to fill the frame."""

Box = tuple[float, float, float, float]
"""Left, top, width, height."""


class People:
    """Both networks, in single precision: they are small beside the one that paints."""

    def __init__(self, host: Host) -> None:
        people, pose = (
            host.weights(CONTRACT.models["people"]),
            host.weights(CONTRACT.models["pose"]),
        )
        self._finds = RTDetrImageProcessorPil.from_pretrained(people)
        self._finder = _ready(RTDetrForObjectDetection.from_pretrained(people), host.device)
        self._poses = VitPoseImageProcessorPil.from_pretrained(pose)
        self._poser = _ready(VitPoseForPoseEstimation.from_pretrained(pose), host.device)

    @torch.inference_mode()
    def keypoints(self, frames: Sequence[Frame], faces: Sequence[Points]) -> list[Keypoints]:
        """The joints of the person whose face is known, in each of the frames."""
        boxes = [[box] for box in self._boxes(frames, faces)]
        seen = self._poses(list(frames), boxes=boxes, return_tensors="pt")
        heatmaps = self._poser(pixel_values=seen.pixel_values.to(self._poser.device))
        found = self._poses.post_process_pose_estimation(heatmaps, boxes=boxes)
        return [_joints(one[0]["keypoints"], one[0]["scores"]) for one in found]

    def _boxes(self, frames: Sequence[Frame], faces: Sequence[Points]) -> list[Box]:
        seen = self._finds(list(frames), return_tensors="pt")
        outputs = self._finder(pixel_values=seen.pixel_values.to(self._finder.device))
        sizes = [frame.shape[:2] for frame in frames]
        found = self._finds.post_process_object_detection(
            outputs, threshold=MIN_SCORE, target_sizes=sizes
        )
        return [_box(one, face, *size) for one, face, size in zip(found, faces, sizes, strict=True)]


def _ready(model: Any, device: str) -> Any:
    return model.to(device).eval().requires_grad_(False)


def _box(found: dict[str, Any], face: Points, height: int, width: int) -> Box:
    """The likeliest person around the middle of the face, else the whole frame."""
    x, y = (float(value) for value in face[:, :2].mean(axis=0))
    boxes, labels = found["boxes"].tolist(), found["labels"].tolist()
    for (left, top, right, bottom), label in zip(boxes, labels, strict=True):
        if label == PERSON and left <= x <= right and top <= y <= bottom:
            return left, top, right - left, bottom - top
    return 0.0, 0.0, float(width), float(height)


def _joints(points: Any, scores: Any) -> Keypoints:
    joints = torch.cat([points, scores.reshape(-1, 1)], dim=1)
    return np.asarray(joints.cpu().numpy(), np.float32)
