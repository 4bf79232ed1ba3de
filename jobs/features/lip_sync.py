"""Lip-sync: the speaker of a film says another recording."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from rest_framework import serializers

from gpu_tasks.lip_sync import contract
from jobs.features.base import Feature
from jobs.features.files import Output
from jobs.features.parameters import MediaField, Parameters
from media.consents.models import ConsentKind
from media.models import MediaType
from media.provenance.source_types import ALTERED


class LipSyncParameters(Parameters):
    """`POST /jobs/lip-sync`."""

    video_media_id = MediaField(
        types=(MediaType.VIDEO,),
        consent=ConsentKind.FACE,
        help_text="A film of one person who speaks.",
    )
    audio_media_id = MediaField(
        types=(MediaType.AUDIO, MediaType.VIDEO),
        consent=None,
        sound=True,
        longest_ms=lambda: contract.MAX_SECONDS * 1000,
        help_text=f"The recording to be spoken, at most {contract.MAX_SECONDS} seconds long.",
    )
    enhance_face = serializers.BooleanField(
        default=False, help_text="Restore the details of the generated lower face."
    )


class _LipSync(Feature):
    name = "lip_sync"
    summary = "Make the speaker of a film say another recording"
    contract = contract.CONTRACT
    making = ALTERED
    parameters = LipSyncParameters
    tariff: ClassVar[Mapping[str, int]] = {"credits": 15, "per_started_ms": 30_000}
    measured = "audio_media_id"
    expected_seconds = 60.0
    example: ClassVar[Mapping[str, Any]] = {
        "video_media_id": "speaker.mp4",
        "audio_media_id": "monologue.ogg",
    }

    def outputs(self, parameters: Mapping[str, Any]) -> Sequence[Output]:
        return [Output("video/mp4", "lip sync")]


FEATURE = _LipSync()
