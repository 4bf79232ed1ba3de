"""The contract of video generation: a prompt in, a silent film of a few seconds out."""

from enum import StrEnum

from pydantic import Field

from gpu_tasks.runtime.contract import (
    Contract,
    GpuClass,
    ImageFamily,
    OutputFile,
    Payload,
    PlainModel,
)
from gpu_tasks.runtime.prompts import MAX_PROMPT_CHARACTERS

MODELS = {"video": "Wan-AI/Wan2.1-T2V-14B-Diffusers@38ec498cb3208fb688890f8cc7e94ede2cbd7f68"}

FRAME_RATE = 16
"""Frames per second, as in the model's training."""
MIN_SECONDS = 1
MAX_SECONDS = 5


class Resolution(StrEnum):
    """The sizes of films, about 400,000 pixels each; sides divide by 16, as the model needs."""

    LANDSCAPE = "832x480"
    PORTRAIT = "480x832"
    SQUARE = "624x624"

    @property
    def width(self) -> int:
        """Return the width in pixels."""
        return int(self.value.partition("x")[0])

    @property
    def height(self) -> int:
        """Return the height in pixels."""
        return int(self.value.partition("x")[2])


class VideoGenerationPayload(Payload):
    """``result`` receives an MP4 of exactly ``duration_sec``."""

    prompt: str = Field(min_length=1, max_length=MAX_PROMPT_CHARACTERS)
    duration_sec: int = Field(ge=MIN_SECONDS, le=MAX_SECONDS)
    resolution: Resolution
    seed: int = Field(ge=0, lt=2**31)
    result: OutputFile


class VideoGenerationResult(PlainModel):
    """The properties of the film."""

    duration_ms: int = Field(gt=0)
    width: int = Field(gt=0)
    height: int = Field(gt=0)
    frame_rate: int = Field(gt=0)
    seed: int
    understood: list[str] = Field(
        default_factory=list,
        description="What the draft engine understood of the prompt: with none, it shows colours.",
    )


CONTRACT = Contract(
    name="video_generation",
    gpu=GpuClass.A100_80GB,
    image=ImageFamily.DIFFUSION,
    time_limit_seconds=900,
    payload=VideoGenerationPayload,
    result=VideoGenerationResult,
    models=MODELS,
    memory_mb=65536,
    gpu_memory_gb=30,  # the transformer's 14 B parameters at 2 bytes; parts are loaded in turn
    dtype="bfloat16",
)
