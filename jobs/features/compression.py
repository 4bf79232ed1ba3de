"""Compression: a film or recording made smaller, for the web, for an archive, or to a size."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema_field
from pydantic import TypeAdapter, ValidationError
from rest_framework import serializers

from gpu_tasks.compression import contract
from jobs.features.base import Feature
from jobs.features.files import Output
from jobs.features.parameters import MediaField, MediaNotUsableProblem, Parameters
from media.models import MediaFile, MediaType

TARGET: TypeAdapter[str | int] = TypeAdapter(contract.Target)
BYTES = {
    "type": "integer",
    "minimum": contract.MIN_TARGET_BYTES,
    "maximum": contract.MAX_TARGET_BYTES,
}


@extend_schema_field({"oneOf": [{"type": "string", "pattern": contract.TARGET_PATTERN}, BYTES]})
class TargetField(serializers.Field[Any, Any, Any, Any]):
    """What to compress for, as the contract has it."""

    def to_internal_value(self, data: Any) -> str | int:
        """`web`, `archive`, or bytes."""
        try:
            return TARGET.validate_python(data)
        except ValidationError as exc:
            raise serializers.ValidationError(
                f"web, archive, or a size from {contract.MIN_TARGET_BYTES} bytes to "
                f"{contract.MAX_TARGET_BYTES}: 25MB, 700 KiB, 25000000.",
                code="invalid_target",
            ) from exc

    def to_representation(self, value: Any) -> Any:
        return value


class CompressionParameters(Parameters):
    """`POST /jobs/compression`."""

    media_id = MediaField(types=(MediaType.VIDEO, MediaType.AUDIO))
    target = TargetField(
        help_text="`web`: H.264 with AAC stereo, at most 1080p. `archive`: HEVC, visually "
        "lossless, with every track of sound; sound that is lossless stays so, as FLAC or ALAC. "
        "Or a size at most, as `web`: `25MB`, or bytes. Turned pictures are made upright, and "
        "what is transparent black. What would not become smaller is kept in an MP4, where that "
        "holds it and it is as the target asks for; else the job fails with INPUT_INVALID and is "
        "refunded."
    )
    codec = serializers.ChoiceField(
        choices=list(contract.Codec),
        required=False,
        help_text="Instead of the usual one: H.264 for `web`, HEVC for `archive`.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """A size is reached with H.264, and a sound has no pictures to encode."""
        if "codec" in attrs and isinstance(attrs["target"], int):
            raise serializers.ValidationError({"codec": ["Not with a size."]}, code="not_here")
        if "codec" in attrs and attrs["media_id"].type == MediaType.AUDIO:
            detail = "A codec is for pictures, and this is a sound."
            raise MediaNotUsableProblem(field="codec", code="no_pictures", detail=detail)
        return super().validate(attrs)


class _Compression(Feature):
    name = "compression"
    summary = "Make a film or recording smaller"
    contract = contract.CONTRACT
    parameters = CompressionParameters
    tariff: ClassVar[Mapping[str, int]] = {"credits": 1, "per_started_ms": 300_000}
    measured = "media_id"
    example: ClassVar[Mapping[str, Any]] = {"media_id": "interview.mp4", "target": "180kB"}

    def outputs(self, parameters: Mapping[str, Any]) -> Sequence[Output]:
        media = MediaFile.objects.filter(pk=parameters["media_id"]).only("type").first()
        is_sound = media is not None and media.type == MediaType.AUDIO
        return [Output(contract.SOUND if is_sound else contract.VIDEO, "compressed")]


FEATURE = _Compression()
