"""Audio generation: ambience, effects and music from a description."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from gpu_tasks.audio_generation import contract
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


class AudioGenerationParameters(DurationParameters):
    """`POST /jobs/audio-generation`."""

    prompt = PromptField(
        max_length=contract.MAX_PROMPT_CHARACTERS,
        help_text="A description of the sound: `heavy rain, distant thunder`, `sad piano, 80 bpm`.",
    )
    duration_ms = duration_ms(
        least_seconds=contract.MIN_DURATION_SEC, most_seconds=contract.MAX_DURATION_SEC
    )
    duration_sec = duration_sec(
        least_seconds=contract.MIN_DURATION_SEC, most_seconds=contract.MAX_DURATION_SEC
    )
    seed = seed()


class _AudioGeneration(Feature):
    name = "audio_generation"
    summary = "Generate sound from a description"
    contract = contract.CONTRACT
    making = GENERATED
    parameters = AudioGenerationParameters
    tariff: ClassVar[Mapping[str, int]] = {"credits": 3, "per_started_sec": 10}
    measured = "duration_sec"
    example: ClassVar[Mapping[str, Any]] = {
        "prompt": "heavy rain on a street, distant thunder",
        "duration_ms": 10_000,
    }

    def outputs(self, parameters: Mapping[str, Any]) -> Sequence[Output]:
        return [Output(contract.CONTENT_TYPE)]


FEATURE = _AudioGeneration()
