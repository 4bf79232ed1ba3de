"""Who opens a stream or socket, and from where it goes: asked of Django, like any request.

So tokens, failures, throttling, CORS and problems are those of the API. An opening counts as one
request; what is told afterwards counts as none.
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
from auteur.api.requests import KeyAuth, user_id
from auteur.api.scopes import Scope
from auteur.api.throttling import Cost
from jobs import queries, status
from jobs.events import log
from jobs.events.contract import ENDS
from jobs.events.log import MAX_SEQ
from jobs.models import Job, UserEvent
from jobs.states import OPEN

MAX_OPEN_JOBS = 100
"""Told when a socket opens, the newest first."""
LONGEST = timedelta(days=1)
"""Of a stream by an API key, which may not end by itself."""
NUMBERED_WITHIN = timedelta(hours=1)
"""An event is in the log that long after it happened."""


class OpeningQuery(serializers.Serializer[Any]):
    """Where to begin."""

    after = serializers.IntegerField(
        min_value=0, max_value=MAX_SEQ, required=False, allow_null=True, default=None
    )


class EventsOpening(APIView):
    """Of all events: without a last one that the client knows, those from now on."""

    scopes: ClassVar = {"GET": Scope.READ}
    costs: ClassVar = {"GET": Cost.REQUEST}

    def get(self, request: Request) -> Response:
        """Where the log stands."""
        after = _after(request)
        head = log.get_head(user_id(request))
        if after is None:
            after = head.seq
        else:
            log.list_events(user_id=user_id(request), after=after, limit=1)
        return _answer(request, after=after, head=head.model_dump(mode="json"))


class JobOpening(APIView):
    """Of one job's events: from its first, or after the last one that the client knows."""

    scopes: ClassVar = {"GET": Scope.READ}
    costs: ClassVar = {"GET": Cost.REQUEST}

    def get(self, request: Request, job_id: UUID) -> Response:
        """Where the log stands; 204 where the client knows the job's end."""
        after = _after(request)
        job = queries.get_job(user_id=user_id(request), job_id=job_id)
        head = log.get_head(user_id(request))
        further = log.list_events(user_id=user_id(request), after=after, limit=1, job_id=job.pk)
        if not further and _is_over(job):
            return Response(status=204)
        return _answer(request, after=after, head=head.model_dump(mode="json"))


class SocketOpening(APIView):
    """Of a WebSocket: as `EventsOpening`, and the jobs that are open."""

    scopes: ClassVar = {"GET": Scope.READ}
    costs: ClassVar = {"GET": Cost.REQUEST}

    def get(self, request: Request) -> Response:
        """Where the log stands, and the jobs at that time or a little later."""
        answer = EventsOpening().get(request)
        answer.data["jobs"] = open_jobs(user_id(request))
        return answer


urlpatterns = [
    path("events", EventsOpening.as_view()),
    path("jobs/<uuid:job_id>/events", JobOpening.as_view()),
    path("ws/jobs", SocketOpening.as_view()),
]
handler400 = "auteur.api.problems.bad_request"
handler403 = "auteur.api.problems.permission_denied"
handler404 = "auteur.api.problems.page_not_found"
handler500 = "auteur.api.problems.server_error"


def open_jobs(user_id: UUID) -> list[dict[str, Any]]:
    """The user's open jobs, as far as they are told."""
    jobs = queries.list_jobs(user_id).filter(status__in=OPEN).order_by("-created_at", "-pk")
    return [
        {
            "id": str(job.pk),
            "type": job.type,
            "status": status.shown_status(job),
            "progress": job.progress,
        }
        for job in jobs[:MAX_OPEN_JOBS]
    ]


def _after(request: Request) -> int | None:
    """`Last-Event-ID` is what a stream that broke off says, and the later word."""
    given = request.headers.get("Last-Event-ID") or request.query_params.get("after")
    query = OpeningQuery(data={} if given is None else {"after": given})
    query.is_valid(raise_exception=True)
    return cast(int | None, query.validated_data["after"])


def _is_over(job: Job) -> bool:
    """Whether the job has ended and the log says so, or did before its events were removed."""
    if job.completed_at is None:
        return False
    if UserEvent.objects.filter(job_id=job.pk, type__in=ENDS).exists():
        return True
    return Job.objects.filter(pk=job.pk, completed_at__lt=Now() - NUMBERED_WITHIN).exists()


def _answer(request: Request, **opening: Any) -> Response:
    known = cast(Claims | KeyAuth, request.auth)
    opening["user_id"] = str(user_id(request))
    opening["api_key_id"] = str(known.id) if isinstance(known, KeyAuth) else None
    opening["expires_at"] = end_of(known)
    return Response(opening)


def end_of(known: Claims | KeyAuth) -> float:
    """When what is opened by a token or a key ends, in Unix seconds."""
    if isinstance(known, KeyAuth):
        latest = (timezone.now() + LONGEST).timestamp()
        return min(known.expires_at or latest, latest)
    return known.expires_at + LEEWAY_SECONDS
