"""Gaze redirection: the person in a film looks at the camera."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from rest_framework import serializers

from gpu_tasks.gaze_redirection import contract
from jobs.features.base import Feature
from jobs.features.files import Output
from jobs.features.parameters import MediaField, Parameters, no_longer_than
from media.models import MediaFile, MediaType


class GazeRedirectionParameters(Parameters):
    """`POST /jobs/gaze-redirection`."""

    video_media_id = MediaField(types=(MediaType.VIDEO,))
    target = serializers.ChoiceField(
        choices=[target.value for target in contract.Target],
        default=contract.Target.CAMERA.value,
        help_text="Where the eyes shall look.",
    )

    def validate_video_media_id(self, media: MediaFile) -> MediaFile:
        """A film that is short enough."""
        longest_ms = round(contract.MAX_SECONDS * 1000)
        return no_longer_than(longest_ms, media, field="video_media_id")


class GazeRedirection(Feature):
    """The declaration."""

    name = "gaze_redirection"
    summary = "Make the person in a film look at the camera"
    contract = contract.CONTRACT
    parameters = GazeRedirectionParameters
    tariff: ClassVar[Mapping[str, int]] = {"credits": 10, "per_started_ms": 30_000}
    example: ClassVar[Mapping[str, Any]] = {"video_media_id": "portrait.mp4"}
    expected_seconds: ClassVar[float] = 20.0

    def price(self, parameters: Mapping[str, Any]) -> int:
        """Ten credits per started 30 seconds."""
        duration_ms = parameters["video_media_id"].duration_ms or 0
        return self.by_started(duration_ms, "per_started_ms")

    def outputs(self, parameters: Mapping[str, Any]) -> Sequence[Output]:
        """The film."""
        return [Output("video/mp4", "gaze")]


FEATURE = GazeRedirection()
