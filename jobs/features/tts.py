"""Speech: a text read aloud, in a stock voice or in one of the user's."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from rest_framework import serializers

from auteur.core.api.problems import Problem
from gpu_tasks.runtime.errors import EngineError
from gpu_tasks.tts import contract
from jobs.features.base import Feature
from jobs.features.files import Output
from jobs.features.parameters import Parameters, VoiceField
from media.models import MediaFile
from media.provenance.source_types import GENERATED


class TextTooLongProblem(Problem):
    """Raised if the text cannot be read aloud within the time limit. Nothing was charged."""

    status_code = 422
    default_code = "text_too_long"

    def __init__(self, detail: str) -> None:
        super().__init__(detail, errors=[{"field": "text", "code": "too_long", "detail": detail}])


class TtsParameters(Parameters):
    """`POST /jobs/tts`."""

    problems = (TextTooLongProblem,)

    text = serializers.CharField(
        max_length=contract.MAX_CHARACTERS,
        help_text=f"The text, of at most {contract.MAX_CHARACTERS:,} characters; fewer for "
        "non-Latin scripts or slow speech.",
    )
    voice_id = VoiceField(
        required=False, help_text="A voice from `GET /voices`. Default: a stock voice."
    )
    speed = serializers.FloatField(
        default=1.0, min_value=contract.MIN_SPEED, max_value=contract.MAX_SPEED
    )

    def validate_text(self, text: str) -> str:
        """Refuse a text without anything to say."""
        try:
            contract.get_readable_text(text)
        except EngineError as exc:
            raise serializers.ValidationError(exc.message, code="nothing_to_say") from exc
        return text

    def validate_speed(self, speed: float) -> float:
        """Refuse NaN, which passes all limits."""
        if math.isnan(speed):
            raise serializers.ValidationError("A valid number is required.", code="invalid")
        return speed

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse a text that the stock voice cannot read in time.

        The engine checks other voices.
        """
        if FEATURE.engine == "production" and "voice_id" not in attrs:
            try:
                contract.check_stock_voice(attrs["text"], attrs["speed"])
            except EngineError as exc:
                raise TextTooLongProblem(exc.message) from exc
        return super().validate(attrs)


class _Tts(Feature):
    name = "tts"
    summary = "Read a text aloud"
    contract = contract.CONTRACT
    making = GENERATED
    parameters = TtsParameters
    tariff: ClassVar[Mapping[str, int]] = {"credits": 2, "per_started_characters": 500}
    measured = "text"
    example: ClassVar[Mapping[str, Any]] = {
        "text": "Good morning. This is how the film begins: with a letter, and an old bridge.",
        "speed": 1.0,
    }

    def outputs(self, parameters: Mapping[str, Any]) -> Sequence[Output]:
        """Return a WAV file."""
        return [Output("audio/wav", "speech")]

    def title(self, parameters: Mapping[str, Any], sources: Sequence[MediaFile]) -> str:
        """Return the text, without characters that a file name cannot have."""
        return contract.get_readable_text(parameters["text"])


FEATURE = _Tts()
