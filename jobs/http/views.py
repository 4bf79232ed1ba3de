"""Serve `/jobs`: two endpoints per declared feature, and the jobs themselves."""

from typing import Any, ClassVar
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_view
from rest_framework.request import Request
from rest_framework.response import Response

from auteur.core.api.cached_serializers import serialize
from auteur.core.api.filters import FilteredListView
from auteur.core.api.idempotency import IdempotentRequest, idempotent_in_statement
from auteur.core.api.pagination import build_cursor_pagination
from auteur.core.api.problems import NotFoundProblem, Problem
from auteur.core.api.requests import api_key_id, plan_name, user_id
from auteur.core.api.scopes import Scope
from auteur.core.api.throttling import Cost
from auteur.core.api.views import APIView
from jobs import lifecycle, queries, quotes, submission
from jobs.budget import Budget
from jobs.cancels import FreeCancelsUsedProblem
from jobs.features.base import Feature
from jobs.features.registry import list_feature_problems
from jobs.http.output_models import get_class_name
from jobs.http.serializers import (
    BatchSerializer,
    CancelSerializer,
    EstimateSerializer,
    JobFilter,
    JobSerializer,
    JobSummarySerializer,
    SubmittedBatchSerializer,
    SubmittedSerializer,
)
from jobs.models import Job

ACCEPTED = 202
EXAMPLE_ID = "7c0ffee0-1234-4abc-8def-0123456789ab"


class SubmitView(APIView):
    """Submit jobs of one feature; `build_submit_view` creates a subclass for each."""

    scopes: ClassVar = {"POST": Scope.JOBS}
    feature: ClassVar[Feature]

    @idempotent_in_statement(serializer=SubmittedSerializer, status=ACCEPTED)
    def post(self, request: Request, key: IdempotentRequest | None) -> Response:
        """Charge for the job and accept it."""
        parameters = submission.validate(
            feature=self.feature,
            user_id=user_id(request),
            data=request.data,
            budget=Budget(user_id(request), api_key_id=api_key_id(request)),
        )
        submitted = submission.submit(
            feature=self.feature,
            user_id=user_id(request),
            plan=plan_name(request),
            parameters=parameters,
            key=key,
            api_key_id=api_key_id(request),
        )
        return Response(serialize(SubmittedSerializer, submitted), status=ACCEPTED)


def build_submit_view(feature: Feature) -> type[APIView]:
    """Return the endpoint of one feature, with its own schema."""
    view = type(
        f"Submit{get_class_name(feature)}View",
        (SubmitView,),
        {"feature": feature, "problems": _list_problems(feature, *submission.PROBLEMS)},
    )
    schema = extend_schema(
        operation_id=f"jobs_{feature.name}_submit",
        summary=feature.summary,
        request=feature.parameters,
        responses={202: SubmittedSerializer},
        examples=[OpenApiExample(feature.slug, build_example(feature), request_only=True)],
    )
    return extend_schema_view(post=schema)(view)


def build_example(feature: Feature) -> dict[str, Any]:
    """Return a feature's example with ids for files and projects."""
    return {
        name: EXAMPLE_ID if name.endswith("_id") else value
        for name, value in feature.example.items()
    }


class EstimateView(APIView):
    """Estimate jobs of one feature; `build_estimate_view` creates a subclass for each."""

    scopes: ClassVar = {"POST": Scope.READ}
    feature: ClassVar[Feature]

    def post(self, request: Request) -> Response:
        """Return the price with a quote. Nothing is charged or stored."""
        parameters = submission.validate(
            feature=self.feature, user_id=user_id(request), data=request.data
        )
        submission.check_plan(self.feature, plan_name(request))
        estimate = quotes.estimate(
            feature=self.feature, user_id=user_id(request), parameters=parameters
        )
        return Response(serialize(EstimateSerializer, estimate))


def build_estimate_view(feature: Feature) -> type[APIView]:
    """Return the endpoint for estimates of one feature, with its own schema."""
    view = type(
        f"Estimate{get_class_name(feature)}View",
        (EstimateView,),
        {"feature": feature, "problems": _list_problems(feature, *submission.PRICING_PROBLEMS)},
    )
    schema = extend_schema(
        operation_id=f"jobs_{feature.name}_estimate",
        summary=f"Get the price: {feature.summary[0].lower()}{feature.summary[1:]}",
        request=feature.parameters,
        responses=EstimateSerializer,
    )
    return extend_schema_view(post=schema)(view)


class BatchView(APIView):
    """`POST /jobs/batch`."""

    scopes: ClassVar = {"POST": Scope.JOBS}
    problems: ClassVar = {"POST": (*submission.BATCH_PROBLEMS, NotFoundProblem)}

    @extend_schema(
        operation_id="jobs_batch_submit",
        summary="Submit several jobs, all or none",
        description="Errors name the index of the job: `jobs.0.media_id`. An idempotency key "
        "applies to the whole batch.",
        request=BatchSerializer,
        responses={202: SubmittedBatchSerializer},
    )
    @idempotent_in_statement(serializer=SubmittedBatchSerializer, status=ACCEPTED)
    def post(self, request: Request, key: IdempotentRequest | None) -> Response:
        """Charge for the jobs and accept them."""
        body = BatchSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        batch = submission.submit_batch(
            user_id=user_id(request),
            plan=plan_name(request),
            items=body.validated_data["jobs"],
            key=key,
            api_key_id=api_key_id(request),
        )
        return Response(SubmittedBatchSerializer(batch).data, status=ACCEPTED)


class JobListView(FilteredListView[Job]):
    """`GET /jobs`."""

    scopes: ClassVar = {"GET": Scope.READ}
    serializer_class = JobSummarySerializer
    pagination_class = build_cursor_pagination("jobs")
    filter_class = JobFilter
    queryset = Job.objects.none()

    @extend_schema(summary="List your jobs, newest first", parameters=[JobFilter])
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Return a page of jobs."""
        return super().get(request, *args, **kwargs)

    def rows(self) -> QuerySet[Job]:
        """Return the user's jobs."""
        return queries.list_jobs(user_id(self.request))

    def get_queryset(self) -> QuerySet[Job]:
        """Return the jobs that match the query, without their outputs."""
        jobs = queries.annotate_retries(super().get_queryset())
        return jobs.defer("output_data", "input_params", "derived_params")


class JobView(APIView):
    """`GET /jobs/:id`."""

    scopes: ClassVar = {"GET": Scope.READ}
    costs: ClassVar = {"GET": Cost.STATUS}

    @extend_schema(summary="Get a job", responses=JobSerializer)
    def get(self, request: Request, job_id: UUID) -> Response:
        """Return the job with its output."""
        job = queries.get_job(user_id=user_id(request), job_id=job_id)
        return Response(JobSerializer(job).data)


class CancelView(APIView):
    """`POST /jobs/:id/cancel`."""

    scopes: ClassVar = {"POST": Scope.JOBS}
    problems: ClassVar = {"POST": (lifecycle.JobFinishedProblem, FreeCancelsUsedProblem)}

    @extend_schema(
        summary="Cancel a job, with a refund",
        description="Jobs that have begun are refunded a number of times in 24 hours. Jobs that "
        "ended because of a revoked consent, a deleted project or invalid input count as well. "
        "Beyond this number the answer is 409 `free_cancels_used`, with `next_free_at` (null: "
        "never), unless `without_refund` is sent. Credits that have expired meanwhile return to "
        "their grant and cannot be spent. For an API key without the scope `read`, "
        "`input_params`, `output_data` and `callback_url` are null.",
        request=CancelSerializer,
        responses=JobSerializer,
    )
    def post(self, request: Request, job_id: UUID) -> Response:
        """End the job, unless it has ended."""
        job = queries.get_job(user_id=user_id(request), job_id=job_id)
        body = CancelSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        lifecycle.cancel(
            job_id=job.pk,
            by="user",
            is_limited=True,
            without_refund=body.validated_data["without_refund"],
        )
        job = queries.get_job(user_id=job.user_id, job_id=job.pk)
        return Response(JobSerializer(job, context={"request": request}).data)


class RetryView(APIView):
    """`POST /jobs/:id/retry`."""

    scopes: ClassVar = {"POST": Scope.JOBS}
    problems: ClassVar = {
        "POST": (
            *submission.PROBLEMS,
            *submission.RETRY_PROBLEMS,
            *list_feature_problems(),
        )
    }

    @extend_schema(
        summary="Run a failed or cancelled job again, as a new one at today's price",
        request=None,
        responses={202: SubmittedSerializer},
    )
    @idempotent_in_statement(serializer=SubmittedSerializer, status=ACCEPTED)
    def post(self, request: Request, job_id: UUID, key: IdempotentRequest | None) -> Response:
        """Charge for the new job and accept it."""
        job = queries.get_job(user_id=user_id(request), job_id=job_id)
        submitted = submission.retry(
            job=job, plan=plan_name(request), key=key, api_key_id=api_key_id(request)
        )
        return Response(serialize(SubmittedSerializer, submitted), status=ACCEPTED)


def _list_problems(
    feature: Feature, *common: type[Problem]
) -> dict[str, tuple[type[Problem], ...]]:
    return {"POST": (*feature.problems, *common)}
