"""The contract of image generation: a prompt in, one or more pictures of a size out."""

from typing import Self

from pydantic import Field, model_validator

from gpu_tasks.runtime.contract import (
    Contract,
    GpuClass,
    ImageFamily,
    OutputFile,
    Payload,
    PlainModel,
)
from gpu_tasks.runtime.prompts import MAX_PROMPT_CHARACTERS

MODELS = {"image": "Tongyi-MAI/Z-Image-Turbo@f332072aa78be7aecdf3ee76d5c247082da564a6"}

MIN_SIDE = 256
MAX_SIDE = 2048
DEFAULT_SIDE = 1024
SIDE_STEP = 16
"""In pixels, for width and height: the model's latents are an eighth, in patches of two."""
MAX_COUNT = 4
MAX_TOTAL_PIXELS = 2 * MAX_SIDE * MAX_SIDE
"""The limit for all pictures of a call: more could exceed the time limit on an L4.

A step takes about 12 GFLOP per token, plus each token's attention to all others; eight steps of two
pictures of the largest size take about 5 PFLOP, under two minutes at half of an L4's speed.
"""


SEEDS = 2**31


class ImageGenerationPayload(Payload):
    """``results`` receive a PNG each."""

    prompt: str = Field(min_length=1, max_length=MAX_PROMPT_CHARACTERS)
    width: int = Field(ge=MIN_SIDE, le=MAX_SIDE, multiple_of=SIDE_STEP)
    height: int = Field(ge=MIN_SIDE, le=MAX_SIDE, multiple_of=SIDE_STEP)
    seed: int = Field(ge=0, lt=SEEDS)
    results: tuple[OutputFile, ...] = Field(min_length=1, max_length=MAX_COUNT)

    @model_validator(mode="after")
    def _check_pixels(self) -> Self:
        if self.width * self.height * len(self.results) > MAX_TOTAL_PIXELS:
            raise ValueError(f"a call makes at most {MAX_TOTAL_PIXELS} pixels")
        return self

    @property
    def seeds(self) -> list[int]:
        """Return a seed for each picture: the given one and the following."""
        return [(self.seed + index) % SEEDS for index in range(len(self.results))]


class ImageGenerationResult(PlainModel):
    """The properties of the pictures."""

    width: int = Field(gt=0)
    height: int = Field(gt=0)
    seeds: list[int] = Field(description="Of each picture; with `count` 1 it makes that one again.")
    understood: list[str] = Field(
        default_factory=list,
        description="What the draft engine understood of the prompt: with none, it shows colours.",
    )


CONTRACT = Contract(
    name="image_generation",
    gpu=GpuClass.L4,
    image=ImageFamily.DIFFUSION,
    time_limit_seconds=300,
    payload=ImageGenerationPayload,
    result=ImageGenerationResult,
    max_output_bytes=64 * 1024**2,
    models=MODELS,
    at_once=10,
    # Text encoder and transformer wait in main memory while the other is on the GPU.
    memory_mb=32768,
    # The model's activations overflow float16.
    dtype="bfloat16",
)
