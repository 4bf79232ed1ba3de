"""Audio generation: ambience, effects and music from a description."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from rest_framework import serializers

from gpu_tasks.audio_generation import contract
from jobs.features.base import Feature, per_started
from jobs.features.files import Output
from jobs.features.parameters import Parameters, seed


class AudioGenerationParameters(Parameters):
    """`POST /jobs/audio-generation`."""

    prompt = serializers.CharField(
        max_length=contract.MAX_PROMPT_CHARACTERS,
        help_text="What is to be heard: `heavy rain, distant thunder`, `sad piano, 80 bpm`.",
    )
    duration_sec = serializers.IntegerField(
        min_value=contract.MIN_DURATION_SEC, max_value=contract.MAX_DURATION_SEC
    )
    seed = seed()


class AudioGeneration(Feature):
    """The declaration."""

    name = "audio_generation"
    summary = "Generate sound from a description"
    contract = contract.CONTRACT
    parameters = AudioGenerationParameters
    tariff: ClassVar[Mapping[str, int]] = {"credits": 3, "per_started_sec": 10}
    example: ClassVar[Mapping[str, Any]] = {
        "prompt": "heavy rain on a street, distant thunder",
        "duration_sec": 10,
    }

    def price(self, parameters: Mapping[str, Any]) -> int:
        """Three credits per started ten seconds."""
        units = per_started(parameters["duration_sec"], self.tariff["per_started_sec"])
        return units * self.tariff["credits"]

    def outputs(self, parameters: Mapping[str, Any]) -> Sequence[Output]:
        """One WAV file."""
        return [Output(contract.CONTENT_TYPE)]


FEATURE = AudioGeneration()
