"""A further feature: this declaration and its function are all that there is of it."""

from collections.abc import Mapping, Sequence
from typing import Any

from gpu_tasks.stills import contract
from rest_framework import serializers

from jobs.features.base import Feature
from jobs.features.files import Output
from jobs.features.parameters import MediaField, Parameters, seed
from media.models import MediaType
from media.provenance.source_types import ASSEMBLED


class StillsParameters(Parameters):
    """`POST /jobs/stills`."""

    video_media_id = MediaField(types=(MediaType.VIDEO,), consent=None)
    count = serializers.IntegerField(default=1, min_value=1, max_value=contract.MAX_COUNT)
    seed = seed()


class Stills(Feature):
    """The declaration."""

    name = "stills"
    summary = "Take still pictures of a film"
    contract = contract.CONTRACT
    making = ASSEMBLED
    parameters = StillsParameters
    tariff = {"credits": 3}
    measured = "count"
    example = {"video_media_id": "interview.mp4", "count": 2}

    def outputs(self, parameters: Mapping[str, Any]) -> Sequence[Output]:
        """A PNG each."""
        return [Output("image/png", "still")] * parameters["count"]


FEATURE = Stills()
