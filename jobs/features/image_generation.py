"""Image generation: pictures from a prompt."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from rest_framework import serializers

from gpu_tasks.image_generation import contract
from jobs.features.base import Feature
from jobs.features.files import Output
from jobs.features.parameters import MultipleOf, Parameters, PromptField, seed
from media.provenance.source_types import GENERATED


def _build_side_field() -> serializers.IntegerField:
    return serializers.IntegerField(
        default=contract.DEFAULT_SIDE,
        min_value=contract.MIN_SIDE,
        max_value=contract.MAX_SIDE,
        validators=[MultipleOf(contract.SIDE_STEP)],
        help_text=f"The length in pixels, a multiple of {contract.SIDE_STEP}.",
    )


class ImageGenerationParameters(Parameters):
    """`POST /jobs/image-generation`."""

    prompt = PromptField(help_text="A description of the picture.")
    width = _build_side_field()
    height = _build_side_field()
    count = serializers.IntegerField(default=1, min_value=1, max_value=contract.MAX_COUNT)
    seed = seed()

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse more pixels than a call has time for."""
        pixels = attrs["width"] * attrs["height"] * attrs["count"]
        if pixels > contract.MAX_TOTAL_PIXELS:
            max_count = contract.MAX_TOTAL_PIXELS // (attrs["width"] * attrs["height"])
            raise serializers.ValidationError(
                {"count": [f"One job makes at most {max_count} pictures of this size."]},
                code="too_many_pixels",
            )
        return super().validate(attrs)


class _ImageGeneration(Feature):
    name = "image_generation"
    summary = "Generate pictures from a description"
    limits: ClassVar[Mapping[str, int]] = {"total_pixels": contract.MAX_TOTAL_PIXELS}
    contract = contract.CONTRACT
    making = GENERATED
    parameters = ImageGenerationParameters
    tariff: ClassVar[Mapping[str, int]] = {"credits": 4}
    measured = "count"
    example: ClassVar[Mapping[str, Any]] = {
        "prompt": "A sailing boat on the sea at sunset, mountains behind",
        "width": 1024,
        "height": 576,
        "count": 2,
    }

    def outputs(self, parameters: Mapping[str, Any]) -> Sequence[Output]:
        return [Output("image/png")] * parameters["count"]


FEATURE = _ImageGeneration()
