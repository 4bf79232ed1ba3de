"""Video generation: a short silent film from a prompt, for the Pro plan."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from rest_framework import serializers

from auteur.api.choices import ChoiceField
from gpu_tasks.video_generation import contract
from jobs.features.base import Feature
from jobs.features.files import Output
from jobs.features.parameters import Parameters, PromptField, seed
from media.provenance.source_types import GENERATED


class VideoGenerationParameters(Parameters):
    """`POST /jobs/video-generation`."""

    prompt = PromptField(help_text="What is to be seen, and how it moves.")
    duration_sec = serializers.IntegerField(
        min_value=contract.MIN_SECONDS, max_value=contract.MAX_SECONDS
    )
    resolution = ChoiceField(
        choices=[one.value for one in contract.Resolution],
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
        "duration_sec": 3,
    }

    def outputs(self, parameters: Mapping[str, Any]) -> Sequence[Output]:
        return [Output("video/mp4")]


FEATURE = _VideoGeneration()
