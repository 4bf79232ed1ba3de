"""The contract of performance cloning: a portrait and a film in, an acting portrait out."""

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
    "video": "Wan-AI/Wan2.2-Animate-14B-Diffusers@main",
    "people": "PekingU/rtdetr_r50vd_coco_o365@457857cec8ac28ddede40ecee9eed2beca321af8",
    "pose": "usyd-community/vitpose-base-simple@a93ac0c67e0b7e2c55287d21d4c460c8f3c54d45",
}

MAX_SECONDS = 20
"""The longest driving film that can be done in time at a useful size."""
MAX_RATE = 25
"""Frames per second of the result: every frame costs seconds. Higher rates become 24 or 25."""
MIN_RATE = 12
"""Lower rates are raised to 25."""
MIN_FACE_SHARE = 0.5
"""The share of the driving film's frames that must show a face."""
MIN_FACE_PIXELS = 24
"""Between the outer corners of the portrait's eyes: a smaller face shows no expression."""
MAX_SIDE = 1280
"""The limit of the result's larger side; drafts keep the portrait's size up to it."""


class PerformanceCloningPayload(Payload):
    """``source`` is a picture of one person, or a film whose first frame is one.

    ``result`` receives an MP4 of the source's proportions, as long as ``driving`` and with its
    sound.
    """

    source: InputFile
    driving: InputFile
    seed: int = Field(ge=0, lt=2**31)
    result: OutputFile


class PerformanceCloningResult(PlainModel):
    """The properties of the film, and in how many frames the performer was seen."""

    duration_ms: int = Field(gt=0)
    width: int = Field(gt=0)
    height: int = Field(gt=0)
    frame_rate: float = Field(gt=0)
    frames: int = Field(gt=0)
    frames_with_face: int = Field(ge=0, description="In the driving film.")


CONTRACT = Contract(
    name="performance_cloning",
    gpu=GpuClass.A100_80GB,
    image=ImageFamily.DIFFUSION,
    time_limit_seconds=900,
    payload=PerformanceCloningPayload,
    result=PerformanceCloningResult,
    models=MODELS,
    memory_mb=65536,
    gpu_memory_gb=36,  # the largest part's 17 B parameters at 2 bytes; parts are loaded in turn
    dtype="bfloat16",
)
