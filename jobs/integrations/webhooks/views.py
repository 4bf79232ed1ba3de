"""Serve `/webhooks`: endpoints, deliveries, and the secret of callbacks."""

from typing import Any, ClassVar
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from auteur.core.api.idempotency import idempotent
from auteur.core.api.pagination import build_cursor_pagination
from auteur.core.api.requests import user_id
from auteur.core.api.scopes import Scope
from auteur.core.api.views import APIView, ListAPIView
from jobs.events import log
from jobs.integrations.webhooks import deliveries, endpoints, verification
from jobs.integrations.webhooks.deliveries import MAX_REPLAYED
from jobs.integrations.webhooks.endpoints import MAX_ENDPOINTS, ROTATION, get_endpoint
from jobs.integrations.webhooks.models import WebhookDelivery, WebhookEndpoint
from jobs.integrations.webhooks.serializers import (
    CallbackSecretSerializer,
    ChallengeSerializer,
    DeliverySerializer,
    DeliverySummarySerializer,
    EndpointSerializer,
    EndpointWithSecretSerializer,
    NewEndpointSerializer,
    ReplayedSerializer,
    ReplaySerializer,
)

HOURS = int(ROTATION.total_seconds()) // 3600


@extend_schema_view(get=extend_schema(summary="List your webhook endpoints"))
class EndpointsView(ListAPIView[WebhookEndpoint]):
    """`/webhooks`."""

    scopes: ClassVar = {"GET": Scope.READ, "POST": Scope.JOBS}
    problems: ClassVar = {"POST": (endpoints.TooManyEndpointsProblem,)}
    serializer_class = EndpointSerializer
    pagination_class = build_cursor_pagination("webhooks")
    queryset = WebhookEndpoint.objects.none()

    @extend_schema(
        summary="Create a webhook endpoint",
        description="Events are sent to your server, signed according to Standard Webhooks with "
        "the `secret` of this answer, which is not shown again. A user may have at most "
        f"{MAX_ENDPOINTS} endpoints (409 `too_many_endpoints`).",
        request=NewEndpointSerializer,
        responses={201: EndpointWithSecretSerializer},
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """Create an endpoint."""
        serializer = NewEndpointSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        endpoint = endpoints.create_endpoint(user_id=user_id(request), **serializer.validated_data)
        answer = EndpointWithSecretSerializer(endpoint).data
        return Response(answer, status=status.HTTP_201_CREATED)

    def get_queryset(self) -> QuerySet[WebhookEndpoint]:
        """Return the user's endpoints."""
        if getattr(self, "swagger_fake_view", False):
            return self.queryset
        return endpoints.list_endpoints(user_id(self.request))


class EndpointView(APIView):
    """`/webhooks/:id`."""

    scopes: ClassVar = {"GET": Scope.READ, "PATCH": Scope.JOBS, "DELETE": Scope.JOBS}

    @extend_schema(summary="Get an endpoint", responses=EndpointSerializer)
    def get(self, request: Request, endpoint_id: UUID) -> Response:
        """Return the endpoint, without its secret."""
        endpoint = get_endpoint(user_id=user_id(request), endpoint_id=endpoint_id)
        return Response(EndpointSerializer(endpoint).data)

    @extend_schema(
        summary="Change an endpoint",
        description="`enabled: true` also enables an endpoint that was disabled because it "
        "failed. A replay sends the events that it missed.",
        request=NewEndpointSerializer(partial=True),
        responses=EndpointSerializer,
    )
    def patch(self, request: Request, endpoint_id: UUID) -> Response:
        """Change the given fields of an endpoint."""
        endpoint = get_endpoint(user_id=user_id(request), endpoint_id=endpoint_id)
        serializer = NewEndpointSerializer(data=request.data, partial=True)
        serializer.is_valid(raise_exception=True)
        return Response(
            EndpointSerializer(endpoints.update_endpoint(endpoint, serializer.validated_data)).data
        )

    @extend_schema(summary="Delete an endpoint", responses={204: None})
    def delete(self, request: Request, endpoint_id: UUID) -> Response:
        """Delete the endpoint. Waiting deliveries are not sent."""
        get_endpoint(user_id=user_id(request), endpoint_id=endpoint_id).delete()
        return Response(status=status.HTTP_204_NO_CONTENT)


class RotateView(APIView):
    """`POST /webhooks/:id/rotate`."""

    scopes: ClassVar = {"POST": Scope.JOBS}

    @extend_schema(
        summary="Get a new secret",
        description=f"The previous secret also signs for {HOURS} hours; an older one does not. "
        "The endpoint also accepts the `id` of your callbacks' secret.",
        request=None,
        responses=EndpointWithSecretSerializer,
    )
    @idempotent
    def post(self, request: Request, endpoint_id: UUID) -> Response:
        """Rotate the secret of an endpoint."""
        endpoint = _get_endpoint_or_callbacks(request, endpoint_id)
        return Response(EndpointWithSecretSerializer(endpoints.rotate_secret(endpoint)).data)


class PingView(APIView):
    """`POST /webhooks/:id/ping`."""

    scopes: ClassVar = {"POST": Scope.JOBS}
    problems: ClassVar = {"POST": (deliveries.EndpointDisabledProblem,)}

    @extend_schema(
        summary="Test an endpoint",
        description="Sends `webhook.ping`, which is not an event. The list of deliveries shows "
        "the result.",
        request=None,
        responses={202: DeliverySerializer},
    )
    @idempotent
    def post(self, request: Request, endpoint_id: UUID) -> Response:
        """Send the endpoint a delivery that has no event."""
        endpoint = get_endpoint(user_id=user_id(request), endpoint_id=endpoint_id)
        return _build_accepted_response(
            _serialize_delivery(request, deliveries.create_ping(endpoint))
        )


class ChallengeView(APIView):
    """`POST /webhooks/:id/challenge`."""

    scopes: ClassVar = {"POST": Scope.JOBS}
    problems: ClassVar = {"POST": (deliveries.EndpointDisabledProblem,)}

    @extend_schema(
        summary="Send an endpoint a challenge",
        description="Sends `webhook.verification` with `data.challenge`. The endpoint is verified "
        'if its answer (2xx) is the challenge as text, or `{"challenge": ...}` with nothing '
        "else, or when you submit the challenge by `POST /webhooks/:id/verify`. Neither the "
        "challenge nor the answer is logged.",
        request=None,
        responses={202: DeliverySerializer},
    )
    @idempotent
    def post(self, request: Request, endpoint_id: UUID) -> Response:
        """Send the endpoint a challenge."""
        endpoint = get_endpoint(user_id=user_id(request), endpoint_id=endpoint_id)
        return _build_accepted_response(
            _serialize_delivery(request, deliveries.create_challenge(endpoint))
        )


class VerifyView(APIView):
    """`POST /webhooks/:id/verify`."""

    scopes: ClassVar = {"POST": Scope.JOBS}
    problems: ClassVar = {"POST": (verification.WrongChallengeProblem,)}

    @extend_schema(
        summary="Verify an endpoint by its challenge",
        description="Replays require a verified endpoint. If you change its URL, the endpoint "
        "must be verified again.",
        request=ChallengeSerializer,
        responses=EndpointSerializer,
    )
    def post(self, request: Request, endpoint_id: UUID) -> Response:
        """Verify an endpoint."""
        endpoint = get_endpoint(user_id=user_id(request), endpoint_id=endpoint_id)
        serializer = ChallengeSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        verified_endpoint = verification.verify(endpoint, serializer.validated_data["challenge"])
        return Response(EndpointSerializer(verified_endpoint).data)


@extend_schema_view(
    get=extend_schema(
        summary="List an endpoint's deliveries",
        description="Newest first, for 30 days. The `id` of your callbacks' secret is accepted, "
        "too.",
    )
)
class DeliveriesView(ListAPIView[WebhookDelivery]):
    """`GET /webhooks/:id/deliveries`."""

    scopes: ClassVar = {"GET": Scope.READ}
    serializer_class = DeliverySummarySerializer
    pagination_class = build_cursor_pagination("deliveries")
    queryset = WebhookDelivery.objects.none()

    def get_queryset(self) -> QuerySet[WebhookDelivery]:
        """Return the endpoint's deliveries, without what was sent and answered."""
        if getattr(self, "swagger_fake_view", False):
            return self.queryset
        endpoint = _get_endpoint_or_callbacks(self.request, self.kwargs["endpoint_id"])
        return deliveries.list_deliveries(endpoint).defer("body", "answer", "request_headers")


class DeliveryView(APIView):
    """`GET /webhooks/:id/deliveries/:delivery_id`."""

    scopes: ClassVar = {"GET": Scope.READ}

    @extend_schema(
        summary="Get a delivery",
        description="Returns the delivery with its last request and the beginning of the answer.",
        responses=DeliverySerializer,
    )
    def get(self, request: Request, endpoint_id: UUID, delivery_id: UUID) -> Response:
        """Return the delivery."""
        endpoint = _get_endpoint_or_callbacks(request, endpoint_id)
        return Response(DeliverySerializer(deliveries.get_delivery(endpoint, delivery_id)).data)


class RedeliverView(APIView):
    """`POST /webhooks/:id/deliveries/:delivery_id/redeliver`."""

    scopes: ClassVar = {"POST": Scope.JOBS}
    problems: ClassVar = {
        "POST": (deliveries.DeliveryUnderWayProblem, deliveries.EndpointDisabledProblem)
    }

    @extend_schema(
        summary="Send a delivery again, at once",
        description="The delivery keeps its `webhook-id`. The answer is 409 `delivery_under_way` "
        "while it is being sent.",
        request=None,
        responses={202: DeliverySerializer},
    )
    @idempotent
    def post(self, request: Request, endpoint_id: UUID, delivery_id: UUID) -> Response:
        """Send the delivery again."""
        endpoint = _get_endpoint_or_callbacks(request, endpoint_id)
        delivery = deliveries.get_delivery(endpoint, delivery_id)
        return _build_accepted_response(
            _serialize_delivery(request, deliveries.redeliver(endpoint, delivery))
        )


class ReplayView(APIView):
    """`POST /webhooks/:id/replay`."""

    scopes: ClassVar = {"POST": Scope.JOBS}
    problems: ClassVar = {
        "POST": (
            deliveries.EndpointDisabledProblem,
            verification.EndpointUnverifiedProblem,
            *log.PROBLEMS,
        )
    }

    @extend_schema(
        summary="Send everything since an event again",
        description="Also sends events that were never sent, because the endpoint was disabled "
        "or did not exist. The endpoint must be verified. One request reads at most "
        f"{MAX_REPLAYED} events; continue with `last_seq`. `410 events_removed` and `400 "
        "future_event` have the same meaning as in `GET /events`.",
        request=ReplaySerializer,
        responses={202: ReplayedSerializer},
    )
    @idempotent
    def post(self, request: Request, endpoint_id: UUID) -> Response:
        """Replay events. Return how many deliveries will be sent."""
        endpoint = get_endpoint(user_id=user_id(request), endpoint_id=endpoint_id)
        serializer = ReplaySerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        count, last_seq = deliveries.replay(endpoint, after=serializer.validated_data["after"])
        return _build_accepted_response({"deliveries": count, "last_seq": last_seq})


class CallbackSecretView(APIView):
    """`GET /webhooks/callback-secret`."""

    scopes: ClassVar = {"GET": Scope.JOBS}

    @extend_schema(
        summary="Get the secret of your callbacks",
        description="The secret signs all requests to your `callback_url`s. Its `id` can be "
        "rotated and has a list of deliveries, like an endpoint.",
        responses=CallbackSecretSerializer,
    )
    def get(self, request: Request) -> Response:
        """Return the secret of callbacks. It is created on the first request."""
        endpoint = endpoints.get_callbacks_endpoint(user_id(request))
        return Response(CallbackSecretSerializer(endpoint).data)


def _get_endpoint_or_callbacks(request: Request, endpoint_id: UUID) -> WebhookEndpoint:
    return get_endpoint(user_id=user_id(request), endpoint_id=endpoint_id, callbacks=True)


def _serialize_delivery(request: Request, delivery: WebhookDelivery) -> Any:
    return DeliverySerializer(delivery, context={"request": request}).data


def _build_accepted_response(answer: Any) -> Response:
    return Response(answer, status=status.HTTP_202_ACCEPTED)
