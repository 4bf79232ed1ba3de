"""The bundled networks, verified before they are loaded, and their execution.

`models/NOTICE` has origin and licence. OpenCV runs them. Its networks hold the state of a run, so
they are for one thread at a time.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from gpu_tasks.mediakit.film import Frame
from gpu_tasks.runtime.errors import AuteurError

FOLDER = Path(__file__).parent / "models"


class NetworkDamagedError(AuteurError):
    """A bundled file is missing, or its content is not the expected one."""


@dataclass(frozen=True)
class Network:
    """A bundled network.

    Its input is a square RGB picture of ``side``; ``outputs`` are the names of its outputs.
    """

    file: str
    sha256: str
    side: int
    outputs: tuple[str, ...]


DETECTION = Network(
    file="face_detection_short_range.tflite",
    sha256="bbff11cebd1eb27a1e004cae0b0e63ec8c551cbf34a4451148b4908b8db3eca8",
    side=128,
    outputs=("regressors", "classificators"),
)
MESH = Network(
    file="face_landmark.tflite",
    sha256="1055cb9d4a9ca8b8c688902a3a5194311138ba256bcc94e336d8373a5f30c814",
    side=192,
    outputs=("conv2d_21", "conv2d_31"),
)
IRIS = Network(
    file="iris_landmark.tflite",
    sha256="d1744d2a09c25f501d39eba4faff47e53ecca8852c5ce19bce8eeac39357521f",
    side=64,
    outputs=("output_eyes_contours_and_brows", "output_iris"),
)


def verify_network(network: Network, folder: Path = FOLDER) -> Path:
    """Return the path of the network's file.

    Raises ``NetworkDamagedError`` if it is missing or its content is not the expected one.
    """
    path = folder / network.file
    if not path.is_file():
        raise NetworkDamagedError(f"{path} is missing")
    if hashlib.sha256(path.read_bytes()).hexdigest() != network.sha256:
        raise NetworkDamagedError(f"{path} is not the file that it should be: its SHA-256 differs")
    return path


@cache
def _load_network(network: Network) -> cv2.dnn.Net:
    # OpenCV's newer engine returns one output only, and is always used for networks in memory.
    return cv2.dnn.readNetFromTFLite(str(verify_network(network)), cv2.dnn.ENGINE_CLASSIC)


def run_network(
    network: Network, picture: Frame, *, low: float = 0.0
) -> Sequence[NDArray[np.float32]]:
    """Return the network's outputs for a picture of its side, scaled to ``low`` to 1."""
    scale = (1 - low) / 255
    blob = picture.astype(np.float32).transpose(2, 0, 1)[None] * scale + low
    net = _load_network(network)
    net.setInput(blob)
    return [np.array(output, np.float32) for output in net.forward(network.outputs)]


def sigmoid(value: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the share for a score; extreme scores are clipped, because they would overflow."""
    return np.asarray(1 / (1 + np.exp(-np.clip(value, -80, 80))), np.float32)
