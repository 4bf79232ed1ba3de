"""`/jobs`: one endpoint per declared feature, and what became of the jobs."""

from typing import Any, ClassVar
from uuid import UUID

from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import generics
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from auteur.api.pagination import cursor
from auteur.api.requests import user_id
from jobs import lifecycle, queries, submission
from jobs.features.base import Feature
from jobs.models import Job
from jobs.serializers import (
    JobFilter,
    JobSerializer,
    JobSummarySerializer,
    SubmittedSerializer,
)


class SubmitView(APIView):
    """`POST /jobs/<feature>`; a subclass per feature is made by `submit_view`."""

    feature: ClassVar[Feature]

    def post(self, request: Request) -> Response:
        """Charge for the job and accept it."""
        parameters = submission.validated(
            feature=self.feature, user_id=user_id(request), data=request.data
        )
        submitted = submission.submit(
            feature=self.feature,
            user_id=user_id(request),
            plan=getattr(request.user, "plan", None),
            parameters=parameters,
        )
        return Response(SubmittedSerializer(submitted).data, status=202)


def submit_view(feature: Feature) -> type[APIView]:
    """The endpoint of one feature, with its own schema."""
    name = feature.name.title().replace("_", "")
    view = type(f"Submit{name}View", (SubmitView,), {"feature": feature})
    described = extend_schema(
        operation_id=f"jobs_{feature.name}_submit",
        summary=feature.summary,
        request=feature.parameters,
        responses={202: SubmittedSerializer},
    )
    return extend_schema_view(post=described)(view)


class JobListView(generics.ListAPIView[Job]):
    """`GET /jobs`."""

    serializer_class = JobSummarySerializer
    pagination_class = cursor("jobs")

    @extend_schema(summary="List your jobs, newest first", parameters=[JobFilter])
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """A page of jobs."""
        return super().get(request, *args, **kwargs)

    def get_queryset(self) -> Any:
        """The user's jobs, narrowed by the query; outputs stay in the database."""
        if getattr(self, "swagger_fake_view", False):
            return Job.objects.none()
        narrowed = JobFilter(data=self.request.query_params)
        narrowed.is_valid(raise_exception=True)
        jobs = Job.objects.filter(user_id=user_id(self.request), **narrowed.lookups())
        return jobs.defer("output_data", "input_params")


class JobView(APIView):
    """`GET /jobs/:id`."""

    @extend_schema(summary="See one job", responses=JobSerializer)
    def get(self, request: Request, job_id: UUID) -> Response:
        """The job with its output."""
        job = queries.job_of(user_id=user_id(request), job_id=job_id)
        return Response(JobSerializer(job).data)


class CancelView(APIView):
    """`POST /jobs/:id/cancel`."""

    @extend_schema(
        summary="Cancel a job; its credits come back", request=None, responses=JobSerializer
    )
    def post(self, request: Request, job_id: UUID) -> Response:
        """End the job, unless it has ended."""
        job = queries.job_of(user_id=user_id(request), job_id=job_id)
        job = lifecycle.cancel(job_id=job.pk, by="user")
        return Response(JobSerializer(job).data)
