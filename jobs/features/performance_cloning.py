"""Performance cloning: a portrait acts out a film."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from gpu_tasks.performance_cloning import contract
from jobs.features.base import Feature
from jobs.features.files import Output
from jobs.features.parameters import MediaField, Parameters, seed
from media.consents.models import ConsentKind
from media.models import MediaType
from media.provenance.source_types import PERFORMED


class PerformanceCloningParameters(Parameters):
    """`POST /jobs/performance-cloning`."""

    source_media_id = MediaField(
        types=(MediaType.IMAGE, MediaType.VIDEO),
        consent=ConsentKind.FACE,
        help_text="A portrait of one person, or a film whose first frame is a portrait.",
    )
    driving_media_id = MediaField(
        types=(MediaType.VIDEO,),
        consent=None,
        longest_ms=lambda: contract.MAX_SECONDS * 1000,
        help_text=f"A film of the performance, at most {contract.MAX_SECONDS} seconds long.",
    )
    seed = seed()


class _PerformanceCloning(Feature):
    name = "performance_cloning"
    summary = "Make a portrait act out a film"
    contract = contract.CONTRACT
    making = PERFORMED
    parameters = PerformanceCloningParameters
    tariff: ClassVar[Mapping[str, int]] = {"credits": 20, "per_started_ms": 10_000}
    measured = "driving_media_id"
    expected_seconds = 300.0
    example: ClassVar[Mapping[str, Any]] = {
        "source_media_id": "portrait.jpg",
        "driving_media_id": "speaker.mp4",
    }

    def outputs(self, parameters: Mapping[str, Any]) -> Sequence[Output]:
        return [Output("video/mp4", "performance")]


FEATURE = _PerformanceCloning()
