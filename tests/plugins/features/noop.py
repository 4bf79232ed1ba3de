"""A feature for tests and benchmarks: it waits, then succeeds or fails as it is told."""

from collections.abc import Mapping
from typing import Any

from gpu_tasks.noop import contract
from rest_framework import serializers

from gpu_tasks.runtime.contract import PlainModel
from gpu_tasks.runtime.errors import ErrorCode
from jobs.features.base import Feature
from jobs.features.parameters import MediaField, Parameters
from jobs.models import Attempt, Job
from media.models import MediaType


class NoopParameters(Parameters):
    """`POST /jobs/noop`."""

    seconds = serializers.FloatField(default=0.0, min_value=0, max_value=60)
    error = serializers.ChoiceField(
        choices=[(code.value, code.value) for code in ErrorCode], required=False
    )
    price = serializers.IntegerField(default=1, min_value=0, max_value=1000)
    used = serializers.IntegerField(required=False, help_text="Credits that the result is worth.")
    delivered = serializers.BooleanField(required=False, help_text="Whether it takes a last step.")
    media_id = MediaField(
        required=False, types=(MediaType.AUDIO,), consent=None, help_text="Waited for."
    )


class Noop(Feature):
    """The declaration."""

    name = "noop"
    summary = "Do nothing"
    contract = contract.CONTRACT
    making = None
    parameters = NoopParameters
    expected_seconds = 2.0

    def price(self, parameters: Mapping[str, Any]) -> int:
        """What the caller says."""
        return int(parameters["price"])

    def used_credits(self, job: Job, output: Mapping[str, Any]) -> int:
        """What the caller says."""
        return int(job.parameters.get("used", job.credits_cost))

    def prepare(self, job: Job, attempt: Attempt) -> dict[str, Any]:
        """No files."""
        parameters = job.parameters
        return {"seconds": parameters["seconds"], "error": parameters.get("error")}

    def collect(self, attempt: Attempt, result: PlainModel) -> dict[str, Any]:
        """With what its caller says of the last step."""
        output = super().collect(attempt, result)
        return output | ({"delivered": True} if attempt.job.parameters.get("delivered") else {})

    def delivers(self, output: Mapping[str, Any]) -> bool:
        """What the caller says."""
        return "delivered" in output


FEATURE = Noop()
