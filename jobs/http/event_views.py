"""Serve the endpoints of the event log. Process `live` also serves them, waits and streams."""

from typing import Any, ClassVar
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from auteur.core.api.requests import user_id
from auteur.core.api.scopes import Scope
from auteur.core.api.throttling import Cost
from auteur.core.api.views import APIView
from jobs import queries
from jobs.event_contract import EventPage, Head
from jobs.events import log
from jobs.events.log import MAX_EVENTS, MAX_SEQ, MAX_WAIT_SECONDS, get_head, list_events

DEFAULT_EVENTS = 100
PROBLEMS = (
    "The answer is `410 events_removed`, with the `oldest` stored seq, if events after this one "
    "were removed, and `400 future_event`, with the `last` seq, if there is no such event yet."
)


class EventQuery(serializers.Serializer[Any]):
    """The position to read from, and how long to wait for events."""

    after = serializers.IntegerField(
        min_value=0,
        max_value=MAX_SEQ,
        required=False,
        default=None,
        help_text="The `seq` of the last event that you know. Without it, the answer begins with "
        "the oldest stored event.",
    )
    limit = serializers.IntegerField(
        min_value=1, max_value=MAX_EVENTS, required=False, default=DEFAULT_EVENTS
    )
    wait = serializers.IntegerField(
        min_value=0,
        max_value=MAX_WAIT_SECONDS,
        required=False,
        default=0,
        help_text="The longest time to wait for an event, in seconds (long poll).",
    )


class EventsView(APIView):
    """`GET /events`."""

    scopes: ClassVar = {"GET": Scope.READ}
    costs: ClassVar = {"GET": Cost.STATUS}
    problems: ClassVar = {"GET": log.WAIT_PROBLEMS}

    @extend_schema(
        summary="Get your events, or wait for them",
        description="Returns the gapless log of all events of your jobs. With `Accept: "
        f"text/event-stream` the answer is a stream of server-sent events. {PROBLEMS}",
        parameters=[EventQuery],
        responses=EventPage,
    )
    def get(self, request: Request) -> Response:
        """Return a page of events."""
        return _build_page_response(request)


class JobEventsView(APIView):
    """`GET /jobs/:id/events`."""

    scopes: ClassVar = {"GET": Scope.READ}
    costs: ClassVar = {"GET": Cost.STATUS}
    problems: ClassVar = {"GET": log.WAIT_PROBLEMS}

    @extend_schema(
        summary="Get a job's events, or wait for them",
        description="Returns the events of one job, with their `seq` in your log. With `Accept: "
        "text/event-stream` the answer is a stream of server-sent events, which ends when the job "
        f"ends. {PROBLEMS}",
        parameters=[EventQuery],
        responses=EventPage,
    )
    def get(self, request: Request, job_id: UUID) -> Response:
        """Return a page of events."""
        job = queries.get_job(user_id=user_id(request), job_id=job_id)
        return _build_page_response(request, job_id=job.pk)


class EventHeadView(APIView):
    """`GET /events/head`."""

    scopes: ClassVar = {"GET": Scope.READ}
    costs: ClassVar = {"GET": Cost.STATUS}

    @extend_schema(summary="Get the number and hash of your last event", responses=Head)
    def get(self, request: Request) -> Response:
        """Return the number and hash of the last event."""
        return Response(get_head(user_id(request)).model_dump(mode="json"))


def _build_page_response(request: Request, **filters: UUID) -> Response:
    query = EventQuery(data=request.query_params)
    query.is_valid(raise_exception=True)
    params = query.validated_data
    page = list_events(
        user_id=user_id(request), after=params["after"], limit=params["limit"], **filters
    )
    return Response({"events": page})
