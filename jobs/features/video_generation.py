"""Video generation: a short silent film from a prompt, for the Pro plan."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from auteur.core.api.choices import ChoiceField
from gpu_tasks.video_generation import contract
from jobs.features.base import Feature
from jobs.features.files import Output
from jobs.features.parameters import (
    DurationParameters,
    PromptField,
    duration_ms,
    duration_sec,
    seed,
)
from media.provenance.source_types import GENERATED


class VideoGenerationParameters(DurationParameters):
    """`POST /jobs/video-generation`."""

    prompt = PromptField(help_text="A description of the scene and its motion.")
    duration_ms = duration_ms(least_seconds=contract.MIN_SECONDS, most_seconds=contract.MAX_SECONDS)
    duration_sec = duration_sec(
        least_seconds=contract.MIN_SECONDS, most_seconds=contract.MAX_SECONDS
    )
    resolution = ChoiceField(
        choices=[resolution.value for resolution in contract.Resolution],
        default=contract.Resolution.LANDSCAPE.value,
        help_text="Width and height in pixels.",
    )
    seed = seed()


class _VideoGeneration(Feature):
    name = "video_generation"
    summary = "Generate a short film from a description"
    contract = contract.CONTRACT
    making = GENERATED
    parameters = VideoGenerationParameters
    plan = "pro"
    tariff: ClassVar[Mapping[str, int]] = {"credits": 10}
    measured = "duration_sec"
    example: ClassVar[Mapping[str, Any]] = {
        "prompt": "Birds over a stormy sea, a lighthouse, lightning",
        "duration_ms": 3000,
    }

    def outputs(self, parameters: Mapping[str, Any]) -> Sequence[Output]:
        return [Output("video/mp4")]


FEATURE = _VideoGeneration()
