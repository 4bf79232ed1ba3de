"""Compression: a film or recording made smaller, for the web, for an archive, or to a size."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema_field
from pydantic import TypeAdapter, ValidationError
from rest_framework import serializers

from auteur.core.api.choices import ChoiceField
from gpu_tasks.compression import contract
from gpu_tasks.runtime.contract import PlainModel
from jobs.features.base import Feature
from jobs.features.files import Output
from jobs.features.parameters import MediaField, MediaNotUsableProblem, Parameters
from jobs.models import Attempt, Job
from media.models import MediaFile, MediaStatus, MediaType
from media.provenance.source_types import TRANSCODED

TARGET: TypeAdapter[str | int] = TypeAdapter(contract.Target)
CREDENTIALS_BYTES = 32_000
"""Bytes of the requested size that are reserved for the content credentials of a result."""
LEAST_WITH_CREDENTIALS = 20 * CREDENTIALS_BYTES
"""The smallest requested size from which bytes are reserved for the credentials."""
BYTES = {
    "type": "integer",
    "minimum": contract.MIN_TARGET_BYTES,
    "maximum": contract.MAX_TARGET_BYTES,
}


@extend_schema_field({"oneOf": [{"type": "string", "pattern": contract.TARGET_PATTERN}, BYTES]})
class TargetField(serializers.Field[Any, Any, Any, Any]):
    """The field of the compression target, in the form of the contract."""

    def to_internal_value(self, data: Any) -> str | int:
        """Return `web`, `archive`, or bytes."""
        try:
            return TARGET.validate_python(data)
        except ValidationError as exc:
            raise serializers.ValidationError(
                f"Send `web`, `archive`, or a size from {contract.MIN_TARGET_BYTES} bytes to "
                f"{contract.MAX_TARGET_BYTES}: 25MB, 700 KiB, 25000000.",
                code="invalid_target",
            ) from exc

    def to_representation(self, value: Any) -> Any:
        return value


class CompressionParameters(Parameters):
    """`POST /jobs/compression`."""

    media_id = MediaField(types=(MediaType.VIDEO, MediaType.AUDIO), consent=None)
    target = TargetField(
        help_text="`web`: H.264 with AAC stereo, at most 1080p. `archive`: HEVC, visually "
        "lossless, with every sound track; lossless sound stays lossless, as FLAC or ALAC. Or a "
        "maximum size, encoded like `web`: `25MB`, or a number of bytes. Rotated pictures become "
        "upright, and transparent areas black. Streams that would not become smaller are copied "
        "into an MP4, if it can hold them and they meet the target; otherwise the job fails with "
        "INPUT_INVALID and is refunded."
    )
    codec = ChoiceField(
        choices=list(contract.Codec),
        required=False,
        help_text="The video codec. Default: H.264 for `web`, HEVC for `archive`.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse a codec for a requested size, and for media without pictures."""
        if "codec" in attrs and isinstance(attrs["target"], int):
            raise serializers.ValidationError(
                {"codec": ["A codec cannot be combined with a size. Leave out one of them."]},
                code="not_here",
            )
        media = attrs["media_id"]
        is_audio = media.status == MediaStatus.READY and media.type == MediaType.AUDIO
        if "codec" in attrs and is_audio:
            detail = "The file has no pictures. Leave out the codec."
            raise MediaNotUsableProblem(field="codec", code="no_pictures", detail=detail)
        return super().validate(attrs)


class _Compression(Feature):
    name = "compression"
    summary = "Make a film or recording smaller"
    contract = contract.CONTRACT
    making = TRANSCODED
    parameters = CompressionParameters
    tariff: ClassVar[Mapping[str, int]] = {"credits": 1, "per_started_ms": 300_000}
    measured = "media_id"
    example: ClassVar[Mapping[str, Any]] = {"media_id": "interview.mp4", "target": "180kB"}

    def outputs(self, parameters: Mapping[str, Any]) -> Sequence[Output]:
        media = MediaFile.objects.filter(pk=parameters["media_id"]).only("type").first()
        is_audio = media is not None and media.type == MediaType.AUDIO
        return [Output(contract.SOUND if is_audio else contract.VIDEO, "compressed")]

    def most_bytes(self, parameters: Mapping[str, Any]) -> int | None:
        """Return the size that the user has requested, if any."""
        target = TARGET.validate_python(parameters["target"])
        return target if isinstance(target, int) else None

    def prepare(self, job: Job, attempt: Attempt) -> dict[str, Any]:
        """Reduce a requested size by the bytes of the credentials, unless it is small."""
        payload = super().prepare(job, attempt)
        most_bytes = self.most_bytes(job.parameters)
        if most_bytes is not None and most_bytes >= LEAST_WITH_CREDENTIALS:
            payload["target"] = most_bytes - CREDENTIALS_BYTES
        return payload

    def collect(self, attempt: Attempt, result: PlainModel) -> dict[str, Any]:
        """Replace the size and ratio by those of the file with its credentials."""
        output = super().collect(attempt, result)
        output["size_bytes"] = output["media"][0]["file_size_bytes"]
        output["ratio"] = round(output["size_bytes"] / output["source_bytes"], 6)
        return output


FEATURE = _Compression()
