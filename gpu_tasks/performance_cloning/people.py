"""Find the joints of a person: RT-DETR finds the person, ViTPose the joints."""

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
"""The person class of COCO."""
MIN_SCORE = 0.3
"""The least score of a person; a person who is not found is assumed to fill the frame."""

Box = tuple[float, float, float, float]
"""Left, top, width, height."""


class People:
    """Both networks, in single precision: they are small compared with the painting one."""

    def __init__(self, host: Host) -> None:
        people, pose = (
            host.weights(CONTRACT.models["people"]),
            host.weights(CONTRACT.models["pose"]),
        )
        self._person_processor = RTDetrImageProcessorPil.from_pretrained(people)
        self._person_detector = _prepare_model(
            RTDetrForObjectDetection.from_pretrained(people), host.device
        )
        self._pose_processor = VitPoseImageProcessorPil.from_pretrained(pose)
        self._pose_estimator = _prepare_model(
            VitPoseForPoseEstimation.from_pretrained(pose), host.device
        )

    @torch.inference_mode()
    def detect_keypoints(self, frames: Sequence[Frame], faces: Sequence[Points]) -> list[Keypoints]:
        """Return the joints of the person with the given face, in each of the frames."""
        boxes = [[box] for box in self._find_boxes(frames, faces)]
        inputs = self._pose_processor(list(frames), boxes=boxes, return_tensors="pt")
        heatmaps = self._pose_estimator(
            pixel_values=inputs.pixel_values.to(self._pose_estimator.device)
        )
        poses = self._pose_processor.post_process_pose_estimation(heatmaps, boxes=boxes)
        return [_build_keypoints(people[0]["keypoints"], people[0]["scores"]) for people in poses]

    def _find_boxes(self, frames: Sequence[Frame], faces: Sequence[Points]) -> list[Box]:
        inputs = self._person_processor(list(frames), return_tensors="pt")
        outputs = self._person_detector(
            pixel_values=inputs.pixel_values.to(self._person_detector.device)
        )
        sizes = [frame.shape[:2] for frame in frames]
        detections = self._person_processor.post_process_object_detection(
            outputs, threshold=MIN_SCORE, target_sizes=sizes
        )
        return [
            _choose_box(detection, face, *size)
            for detection, face, size in zip(detections, faces, sizes, strict=True)
        ]


def _prepare_model(model: Any, device: str) -> Any:
    return model.to(device).eval().requires_grad_(False)


def _choose_box(detection: dict[str, Any], face: Points, height: int, width: int) -> Box:
    """Return the likeliest person around the middle of the face, or else the whole frame."""
    x, y = (float(value) for value in face[:, :2].mean(axis=0))
    boxes, labels = detection["boxes"].tolist(), detection["labels"].tolist()
    for (left, top, right, bottom), label in zip(boxes, labels, strict=True):
        if label == PERSON and left <= x <= right and top <= y <= bottom:
            return left, top, right - left, bottom - top
    return 0.0, 0.0, float(width), float(height)


def _build_keypoints(points: Any, scores: Any) -> Keypoints:
    joints = torch.cat([points, scores.reshape(-1, 1)], dim=1)
    return np.asarray(joints.cpu().numpy(), np.float32)
