"""Gaze redirection: the person in a film looks at the camera."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from auteur.core.api.choices import ChoiceField
from gpu_tasks.gaze_redirection import contract
from jobs.features.base import Feature
from jobs.features.files import Output
from jobs.features.parameters import MediaField, Parameters
from media.consents.models import ConsentKind
from media.models import MediaType
from media.provenance.source_types import ALTERED


class GazeRedirectionParameters(Parameters):
    """`POST /jobs/gaze-redirection`."""

    video_media_id = MediaField(
        types=(MediaType.VIDEO,),
        longest_ms=lambda: round(contract.MAX_SECONDS * 1000),
        consent=ConsentKind.FACE,
    )
    target = ChoiceField(
        choices=[target.value for target in contract.Target],
        default=contract.Target.CAMERA.value,
        help_text="The direction in which the eyes will look.",
    )


class _GazeRedirection(Feature):
    name = "gaze_redirection"
    summary = "Make the person in a film look at the camera"
    contract = contract.CONTRACT
    making = ALTERED
    parameters = GazeRedirectionParameters
    tariff: ClassVar[Mapping[str, int]] = {"credits": 10, "per_started_ms": 30_000}
    measured = "video_media_id"
    example: ClassVar[Mapping[str, Any]] = {"video_media_id": "portrait.mp4"}
    expected_seconds: ClassVar[float] = 20.0

    def outputs(self, parameters: Mapping[str, Any]) -> Sequence[Output]:
        return [Output("video/mp4", "gaze")]


FEATURE = _GazeRedirection()
