"""Serialize jobs for clients."""

from copy import deepcopy
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.extensions import OpenApiSerializerExtension
from drf_spectacular.plumbing import ResolvedComponent
from drf_spectacular.utils import (
    PolymorphicProxySerializer,
    extend_schema_field,
    extend_schema_serializer,
)
from rest_framework import serializers

from auteur.core.api.choices import ChoiceField
from auteur.core.api.content import ContentSerializer
from auteur.core.api.filters import ListFilter
from auteur.core.api.unknown_fields import RequestSerializer
from gpu_tasks.runtime.errors import ErrorCode
from gpu_tasks.runtime.stages import Stage
from jobs import queries
from jobs.derived_media import RETAINED_KEYS
from jobs.features.base import Feature
from jobs.features.registry import features
from jobs.http.output_models import build_output_model, get_class_name
from jobs.models import Job
from jobs.states import ClientStatus
from jobs.status import (
    describe_restart,
    filter_by_status,
    find_stage,
    find_started_at,
    get_client_status,
    waits_for,
)
from jobs.submission import MAX_BATCH

WAITS_FOR = [("media", "a check of its media")]
STAGES = [(member.value, member.value) for member in Stage]


class TypeField(ChoiceField):
    """A job's type: a feature's name, with underscores where its path has hyphens."""

    def __init__(self, **options: Any) -> None:
        super().__init__(choices=sorted(features()), **options)


def _build_batch_serializer(feature: Feature) -> type[serializers.Serializer[Any]]:
    fields = {"type": serializers.ChoiceField(choices=[feature.name])}
    return type(f"{get_class_name(feature)}OfBatchSerializer", (feature.parameters,), fields)


GIVEN_PARAMS_SCHEMA = {
    "type": ["object", "null"],
    "description": "The parameters of the request. Missing ones have the defaults of the "
    "feature's schema. Null if they are no longer stored.",
}
OUTPUT_SCHEMA = {
    "type": ["object", "null"],
    "description": "The result. URLs in it expire after 15 minutes. Null until there is a "
    "result, and if it is no longer stored. If a consent was revoked, only `engine` and `media` "
    "remain.",
}
SUMMARY_FIELDS: tuple[str, ...] = (
    "id",
    "type",
    "status",
    "waits_for",
    "progress",
    "stage",
    "attempt",
    "restarted",
    "project_id",
    "credits_cost",
    "credits_refunded",
    "error",
    "retry_of",
    "retries",
    "created_at",
    "started_at",
    "completed_at",
)


class SubmittedSerializer(serializers.Serializer[Any]):
    """An accepted job."""

    id = serializers.UUIDField(source="job_id")
    job_id = serializers.UUIDField(help_text="The same id.")
    status = serializers.ChoiceField(choices=ClientStatus.choices)
    credits_cost = serializers.IntegerField(
        help_text="The price. 0 while the job waits for its media (`waits_for`): it is charged "
        "when the check has ended."
    )
    waits_for = serializers.ChoiceField(
        choices=WAITS_FOR,
        allow_null=True,
        help_text="`media` while a media file or voice of the job is being checked. Otherwise "
        "null.",
    )


class CancelSerializer(RequestSerializer):
    """The options of a cancel."""

    without_refund = serializers.BooleanField(
        default=False, help_text="Cancel the job even if it is not refunded."
    )


class SubmittedBatchSerializer(serializers.Serializer[Any]):
    """The accepted jobs, in the order of the request."""

    jobs = SubmittedSerializer(many=True)


@extend_schema_serializer(deprecate_fields=["seconds_p50", "seconds_p90"])
class EstimateSerializer(serializers.Serializer[Any]):
    """The price of a job, and the durations of recent jobs of the feature."""

    credits = serializers.IntegerField()
    price_version = serializers.CharField(
        help_text="The version of the price. It changes whenever the price changes."
    )
    quote_id = serializers.CharField(
        help_text="Send this with the same parameters: the job then costs at most `credits`."
    )
    expires_at = serializers.DateTimeField(help_text="The time at which the quote expires.")
    duration_p50_ms = serializers.IntegerField(
        allow_null=True,
        help_text="The time from request to result within which half of the recent jobs were "
        "completed. Null without enough recent jobs.",
    )
    duration_p90_ms = serializers.IntegerField(
        allow_null=True, help_text="The same for 90 % of the recent jobs."
    )
    seconds_p50 = serializers.FloatField(
        allow_null=True, help_text="Deprecated: use `duration_p50_ms`."
    )
    seconds_p90 = serializers.FloatField(
        allow_null=True, help_text="Deprecated: use `duration_p90_ms`."
    )


class JobOfBatchSerializer(serializers.Serializer[Any]):
    """One job of a batch: its feature, next to the parameters of the feature."""

    type = serializers.ChoiceField(choices=())

    def get_fields(self) -> dict[str, Any]:
        return {"type": TypeField()}

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        values: dict[str, Any] = super().to_internal_value(data)
        return {**data, **values}


@extend_schema_field(
    PolymorphicProxySerializer(
        component_name="JobOfBatch",
        serializers={
            name: _build_batch_serializer(feature) for name, feature in features().items()
        },
        resource_type_field_name="type",
        many=True,
    )
)
class JobsOfBatchField(serializers.ListField):
    """The jobs of a batch, of any features."""

    child = JobOfBatchSerializer()

    def to_internal_value(self, data: Any) -> list[Any]:
        # Too many jobs are refused before any is validated.
        if isinstance(data, list):
            self.run_validators(data)
        jobs: list[Any] = super().to_internal_value(data)
        return jobs


class BatchSerializer(RequestSerializer):
    """`POST /jobs/batch`."""

    jobs = JobsOfBatchField(min_length=1, max_length=MAX_BATCH)


class JobErrorSerializer(serializers.Serializer[Any]):
    """The error of a job without a result."""

    code = serializers.ChoiceField(choices=[(code.value, code.value) for code in ErrorCode])
    message = serializers.CharField(help_text="A sentence that can be shown to users.")
    retryable = serializers.BooleanField(help_text="True if submitting the job again may help.")


class JobSummarySerializer(serializers.ModelSerializer[Job]):
    """A job in a list: everything but its output."""

    type = TypeField(read_only=True)
    project_id = serializers.UUIDField(allow_null=True)
    status = serializers.SerializerMethodField()
    waits_for = serializers.SerializerMethodField()
    progress = serializers.FloatField(
        help_text="The completed share, from 0 to 1. It decreases only when a new `attempt` begins."
    )
    stage = serializers.SerializerMethodField()
    attempt = serializers.SerializerMethodField()
    restarted = serializers.SerializerMethodField()
    started_at = serializers.SerializerMethodField()
    error = serializers.SerializerMethodField()
    retry_of = serializers.UUIDField(
        source="retry_of_id", allow_null=True, help_text="The job that this job repeats."
    )
    retries = serializers.SerializerMethodField()

    class Meta:
        model = Job
        fields = SUMMARY_FIELDS
        read_only_fields = fields

    @extend_schema_field(serializers.ChoiceField(choices=ClientStatus.choices))
    def get_status(self, job: Job) -> str:
        """Return `pending` until the job is admitted, then `queued` until a machine works on it."""
        return get_client_status(job)

    @extend_schema_field(serializers.ChoiceField(choices=WAITS_FOR, allow_null=True))
    def get_waits_for(self, job: Job) -> str | None:
        """Return `media` while a media file or voice of a `pending` job is being checked.

        The job is charged when the check has ended, and fails if the file is refused.
        """
        return waits_for(job)

    @extend_schema_field(serializers.ChoiceField(choices=STAGES, allow_null=True))
    def get_stage(self, job: Job) -> str | None:
        """Return what its call is doing. Null if that is not known."""
        return find_stage(job)

    def get_attempt(self, job: Job) -> int | None:
        """Return the number of the current attempt, from 1. Null before the first."""
        return job.attempt.number if job.attempt else None

    def get_restarted(self, job: Job) -> str | None:
        """Return why the work has begun again, as a sentence for users. Null if it has not."""
        return describe_restart(job, getattr(job, "lost_because", None))

    def get_started_at(self, job: Job) -> datetime | None:
        """Return when a machine began the current attempt. Null while the attempt waits."""
        return find_started_at(job)

    @extend_schema_field(JobErrorSerializer(allow_null=True))
    def get_error(self, job: Job) -> dict[str, Any] | None:
        """Return the error. Null if there is none."""
        return queries.build_error(job)

    def get_retries(self, job: Job) -> list[UUID]:
        """Return the jobs that repeat this job, newest first."""
        return queries.list_retries(job)


class JobSerializer(ContentSerializer, JobSummarySerializer):
    """One job with its parameters and output."""

    CONTENT = ("callback_url", "input_params", "output_data")

    queue_position = serializers.SerializerMethodField()
    estimated_start_at = serializers.SerializerMethodField()
    estimated_end_at = serializers.SerializerMethodField()
    estimated_end_p90_at = serializers.SerializerMethodField()
    input_params = serializers.SerializerMethodField()
    output_data = serializers.SerializerMethodField()

    class Meta(JobSummarySerializer.Meta):
        fields = (
            *SUMMARY_FIELDS,
            "callback_url",
            "queue_position",
            "estimated_start_at",
            "estimated_end_at",
            "estimated_end_p90_at",
            "input_params",
            "output_data",
        )
        read_only_fields = fields

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._positions: dict[UUID, int | None] = {}

    def get_queue_position(self, job: Job) -> int | None:
        """Return the position of the job among the jobs that wait for a machine of its GPU class.

        The position is estimated above a few hundred. Null once the job has a machine, and while
        its media is being checked.
        """
        return self._get_queue_position(job)

    def get_estimated_start_at(self, job: Job) -> datetime | None:
        """Return the estimated start, based on recent jobs. Null once the job has begun."""
        return queries.estimate_start(job, self._get_queue_position(job))

    def get_estimated_end_at(self, job: Job) -> datetime | None:
        """Return when the job ends with 50 % probability, based on its progress and recent jobs.

        Null unless the job runs.
        """
        return queries.estimate_end(job, share="p50")

    def get_estimated_end_p90_at(self, job: Job) -> datetime | None:
        """Return when the job ends with 90 % probability. Null also if few jobs took so long."""
        return queries.estimate_end(job, share="p90")

    @extend_schema_field(GIVEN_PARAMS_SCHEMA)
    def get_input_params(self, job: Job) -> Any:
        """Return the parameters of the request."""
        return queries.get_user_params(job) or None

    @extend_schema_field(OUTPUT_SCHEMA)
    def get_output_data(self, job: Job) -> dict[str, Any] | None:
        """Return the result, in the form of `build_output_model`."""
        return queries.build_output(job)

    def _get_queue_position(self, job: Job) -> int | None:
        """Return the job's place in the queue, computed once per response."""
        if job.pk not in self._positions:
            self._positions[job.pk] = queries.compute_queue_position(job)
        return self._positions[job.pk]


class JobsByType(OpenApiSerializerExtension):
    """The schema of a job: a union by its `type`, with each feature's parameters and output."""

    target_class = JobSerializer

    def map_serializer(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        common = auto_schema._map_serializer(self.target, direction, bypass_extensions=True)
        kinds = {
            name: self._register_component(auto_schema, direction, feature, deepcopy(common))
            for name, feature in features().items()
        }
        return {
            "oneOf": [{"$ref": ref} for ref in kinds.values()],
            "discriminator": {"propertyName": "type", "mapping": kinds},
        }

    def _register_component(
        self, auto_schema: Any, direction: Any, feature: Feature, schema: dict[str, Any]
    ) -> str:
        """Register the component of a feature's jobs, and return its reference."""
        output = auto_schema.resolve_serializer(build_output_model(feature), direction)
        required = output.schema.get("required", ())
        output.schema["required"] = [name for name in required if name in RETAINED_KEYS]
        parameters = auto_schema.resolve_serializer(feature.parameters, "request")
        refs = {"input_params": parameters.ref, "output_data": output.ref}
        schema["properties"]["type"] = {"type": "string", "const": feature.name}
        for name, ref in refs.items():
            property_schema = schema["properties"][name]
            choices = {"anyOf": [ref, {"type": "null"}]}
            schema["properties"][name] = choices | {"description": property_schema["description"]}
        kind = ResolvedComponent(
            name=f"{get_class_name(feature)}Job",
            type=ResolvedComponent.SCHEMA,
            object=feature,
            schema=schema | {"description": f"A job that asks: {feature.summary}."},
        )
        auto_schema.registry.register_on_missing(kind)
        return str(kind.ref["$ref"])


class JobFilter(ListFilter):
    """The filters and orders of `GET /jobs`."""

    type = ChoiceField(choices=(), required=False)
    status = ChoiceField(choices=ClientStatus.choices, required=False)
    project_id = serializers.UUIDField(required=False)
    created_after = serializers.DateTimeField(required=False)
    created_before = serializers.DateTimeField(required=False)

    LOOKUPS: ClassVar = {
        "type": "type",
        "project_id": "project_id",
        "created_after": "created_at__gte",
        "created_before": "created_at__lt",
    }

    def get_fields(self) -> dict[str, Any]:
        fields = super().get_fields()
        fields["type"] = TypeField(required=False)
        return fields

    def narrow(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Return the matching rows; a status is found in several columns."""
        status = self.validated_data.pop("status", None)
        return super().narrow(rows.filter(filter_by_status(status)) if status else rows)
