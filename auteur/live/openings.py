"""Internal Django views that authorize a stream or socket, and return where it starts.

So tokens, failures, throttling, CORS and problems are those of the API. An opening counts as one
request; the events that follow count as none.
"""

from datetime import timedelta
from typing import Any, ClassVar, cast
from uuid import UUID

from django.db.models.functions import Now
from django.urls import path
from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.tokens import LEEWAY_SECONDS, Claims
from auteur.core.api.requests import KeyAuth, user_id
from auteur.core.api.scopes import Scope
from auteur.core.api.throttling import Cost
from jobs import queries, status
from jobs.event_contract import ENDS
from jobs.events import log
from jobs.events.log import MAX_SEQ
from jobs.models import Job, UserEvent
from jobs.states import OPEN

MAX_OPEN_JOBS = 100
"""The most jobs in the first message of a socket, newest first."""
LONGEST = timedelta(days=1)
"""The longest connection by an API key, which may have no expiry."""
NUMBERED_WITHIN = timedelta(hours=1)
"""An event is in the log at most this long after it happened."""


class OpeningQuery(serializers.Serializer[Any]):
    """The query of an opening: the last event that the client has."""

    after = serializers.IntegerField(
        min_value=0, max_value=MAX_SEQ, required=False, allow_null=True, default=None
    )


class EventsOpening(APIView):
    """The opening of all events. Without a last event of the client, it starts at the log's end."""

    scopes: ClassVar = {"GET": Scope.READ}
    costs: ClassVar = {"GET": Cost.REQUEST}

    def get(self, request: Request) -> Response:
        """Return the state of the log."""
        after = _parse_after(request)
        head = log.get_head(user_id(request))
        if after is None:
            after = head.seq
        else:
            log.list_events(user_id=user_id(request), after=after, limit=1)
        return _build_answer(request, after=after, head=head.model_dump(mode="json"))


class JobOpening(APIView):
    """The opening of one job's events: from the first, or after the last that the client has."""

    scopes: ClassVar = {"GET": Scope.READ}
    costs: ClassVar = {"GET": Cost.REQUEST}

    def get(self, request: Request, job_id: UUID) -> Response:
        """Return the state of the log, or 204 if the client has the job's last event."""
        after = _parse_after(request)
        job = queries.get_job(user_id=user_id(request), job_id=job_id)
        head = log.get_head(user_id(request))
        events = log.list_events(user_id=user_id(request), after=after, limit=1, job_id=job.pk)
        if not events and _has_ended(job):
            return Response(status=204)
        return _build_answer(request, after=after, head=head.model_dump(mode="json"))


class SocketOpening(APIView):
    """The opening of a WebSocket: as `EventsOpening`, with the open jobs."""

    scopes: ClassVar = {"GET": Scope.READ}
    costs: ClassVar = {"GET": Cost.REQUEST}

    def get(self, request: Request) -> Response:
        """Return the state of the log, and the open jobs at that time or a little later."""
        answer = EventsOpening().get(request)
        answer.data["jobs"] = list_open_jobs(user_id(request))
        return answer


urlpatterns = [
    path("events", EventsOpening.as_view()),
    path("jobs/<uuid:job_id>/events", JobOpening.as_view()),
    path("ws/jobs", SocketOpening.as_view()),
]
handler400 = "auteur.core.api.problems.bad_request"
handler403 = "auteur.core.api.problems.permission_denied"
handler404 = "auteur.core.api.problems.page_not_found"
handler500 = "auteur.core.api.problems.server_error"


def list_open_jobs(user_id: UUID) -> list[dict[str, Any]]:
    """Return the user's open jobs, as the first message of a socket contains them."""
    jobs = queries.list_jobs(user_id).filter(status__in=OPEN).order_by("-created_at", "-pk")
    return [
        {
            "id": str(job.pk),
            "type": job.type,
            "status": status.get_client_status(job),
            "progress": job.progress,
        }
        for job in jobs[:MAX_OPEN_JOBS]
    ]


def _parse_after(request: Request) -> int | None:
    """Return the last event that the client has.

    `Last-Event-ID` comes from a stream that reconnects, so it takes precedence over the query.
    """
    after = request.headers.get("Last-Event-ID") or request.query_params.get("after")
    query = OpeningQuery(data={} if after is None else {"after": after})
    query.is_valid(raise_exception=True)
    return cast(int | None, query.validated_data["after"])


def _has_ended(job: Job) -> bool:
    """Return True if the job has ended and its end is in the log, or has been removed from it."""
    if job.completed_at is None:
        return False
    if UserEvent.objects.filter(job_id=job.pk, type__in=ENDS).exists():
        return True
    return Job.objects.filter(pk=job.pk, completed_at__lt=Now() - NUMBERED_WITHIN).exists()


def _build_answer(request: Request, **opening: Any) -> Response:
    bearer = cast(Claims | KeyAuth, request.auth)
    opening["user_id"] = str(user_id(request))
    opening["api_key_id"] = str(bearer.id) if isinstance(bearer, KeyAuth) else None
    opening["expires_at"] = get_end(bearer)
    return Response(opening)


def get_end(bearer: Claims | KeyAuth) -> float:
    """Return when a connection opened by this token or key ends, in Unix seconds."""
    if isinstance(bearer, KeyAuth):
        latest = (timezone.now() + LONGEST).timestamp()
        return min(bearer.expires_at or latest, latest)
    return bearer.expires_at + LEEWAY_SECONDS
