"""The contract of gaze redirection: a film in, the film with eyes at the camera out."""

from enum import StrEnum

from pydantic import Field

from gpu_tasks.runtime.contract import (
    Contract,
    GpuClass,
    ImageFamily,
    InputFile,
    OutputFile,
    Payload,
    PlainModel,
)

MODELS = {
    # A mirror of TencentARC's release v1.3.0, which is on no hub of its own: Apache-2.0 except for
    # third-party parts, StyleGAN2 (NVIDIA: for research and evaluation only) and DFDNet
    # (CC BY-NC-SA 4.0). Not for commercial work; the draft is the same without it.
    "restoration": "gmk123/GFPGAN@e881fbc251fdf2a4f133ad8277dd5dadbd1c541a",
}

MAX_SECONDS = 240.0
MAX_FRAMES = 7200
"""Four minutes at 30 frames a second, which fit the time limit at full size."""
MAX_SIDE = 1920
"""In pixels: larger films are reduced to this size."""
MIN_FACE_SHARE = 0.2
"""The share of frames that must show a face."""


class Target(StrEnum):
    """The point at which the eyes look."""

    CAMERA = "camera"


class GazeRedirectionPayload(Payload):
    """``result`` receives an MP4 with the sound of ``video``."""

    video: InputFile
    target: Target
    result: OutputFile


class GazeRedirectionResult(PlainModel):
    """The properties of the film, and how much of it was changed."""

    duration_ms: int = Field(ge=0)
    width: int = Field(gt=0)
    height: int = Field(gt=0)
    frame_rate: float = Field(gt=0)
    frames: int = Field(gt=0)
    frames_with_face: int = Field(ge=0)
    frames_redirected: int = Field(ge=0, description="Eyes were open and the head faced us enough.")
    faces: int = Field(ge=0, description="The most faces seen at once; the largest is redirected.")
    mean_shift_px: float = Field(ge=0, description="Of the irises, over the redirected frames.")


CONTRACT = Contract(
    name="gaze_redirection",
    gpu=GpuClass.A10G,
    image=ImageFamily.FACE,
    time_limit_seconds=600,
    payload=GazeRedirectionPayload,
    result=GazeRedirectionResult,
    models=MODELS,
    # Films are decoded and encoded while the GPU works.
    cpu=4.0,
    dtype="float32",
)
