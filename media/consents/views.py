"""Serve the endpoints for consents."""

from typing import ClassVar
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from auteur.core.api.idempotency import idempotent
from auteur.core.api.pagination import build_cursor_pagination
from auteur.core.api.problems import NotFoundProblem
from auteur.core.api.requests import user_id
from auteur.core.api.scopes import Scope
from auteur.core.api.views import APIView, ListAPIView
from media.consents.models import Consent, Removal
from media.consents.records import MAX_CONSENTS, MAX_COVERED, TooManyConsentsProblem, record_consent
from media.consents.revocation import get_consent, revoke_consent
from media.consents.serializers import (
    ConsentDetailSerializer,
    ConsentSerializer,
    NewConsentSerializer,
    RemovalSerializer,
)


@extend_schema_view(get=extend_schema(summary="List your consents", description="Newest first."))
class ConsentsView(ListAPIView[Consent]):
    """List consents, or record one."""

    scopes: ClassVar = {"GET": Scope.READ, "POST": Scope.MEDIA}
    problems: ClassVar = {"POST": (TooManyConsentsProblem, NotFoundProblem)}
    serializer_class = ConsentSerializer
    pagination_class = build_cursor_pagination("consents", ordering=("-given_at", "-id"))
    queryset = Consent.objects.none()

    @extend_schema(
        summary="Record a consent",
        description="Records that a person agrees to the use of their voice or face in up to "
        f"{MAX_COVERED} media files, or in a voice. A new voice already has a consent (`POST "
        f"/voices`). The answer is 409 `too_many_consents` above {MAX_CONSENTS} consents for "
        "media.",
        request=NewConsentSerializer,
        responses={201: ConsentSerializer},
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """Record a consent."""
        serializer = NewConsentSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        consent = record_consent(user_id=user_id(request), **serializer.validated_data)
        return Response(ConsentSerializer(consent).data, status=status.HTTP_201_CREATED)

    def get_queryset(self) -> QuerySet[Consent]:
        """Return the user's consents."""
        return Consent.objects.filter(user_id=user_id(self.request))


class ConsentView(APIView):
    """Read a consent."""

    scopes: ClassVar = {"GET": Scope.READ}

    @extend_schema(summary="Read a consent", responses={200: ConsentDetailSerializer})
    def get(self, request: Request, consent_id: UUID) -> Response:
        """Return the consent, and the totals of its receipt."""
        consent = get_consent(user_id=user_id(request), consent_id=consent_id)
        return Response(ConsentDetailSerializer(consent).data)


class RevokeView(APIView):
    """Revoke a consent, also while the account is being closed."""

    scopes: ClassVar = {"POST": Scope.MEDIA}
    for_closed_accounts = True

    @extend_schema(
        summary="Revoke a consent",
        description="A revocation is final. From then on, what the consent covers cannot be "
        "used. Within a minute it is removed, with everything that was made of it, directly or "
        "indirectly: results, films that show it, pictures, waveforms and transcripts. Texts in a "
        "timeline stay. An export of the account is deleted at once, because it may hold any of "
        "this: request another one. Open jobs that use any of it are cancelled. Those that have "
        "begun are refunded a number of times in 24 hours (`refunds_left`), as with other "
        "cancels; `credits_refunded` and `error` of each job say whether it was. Clips that show "
        "the media stay on their timelines, marked `offline`. A repeated revocation returns the "
        "same answer.",
        request=None,
        responses={202: ConsentDetailSerializer},
    )
    def post(self, request: Request, consent_id: UUID) -> Response:
        """Revoke the consent, and start the removal of what was made under it."""
        consent = revoke_consent(
            consent=get_consent(user_id=user_id(request), consent_id=consent_id)
        )
        return Response(ConsentDetailSerializer(consent).data, status=status.HTTP_202_ACCEPTED)


@extend_schema_view(
    get=extend_schema(
        summary="List what a revoked consent has removed",
        description="Lists every object by its key. `removed_at` is set once the object is "
        "removed.",
    )
)
class ReceiptView(ListAPIView[Removal]):
    """List the objects of a receipt."""

    scopes: ClassVar = {"GET": Scope.READ}
    serializer_class = RemovalSerializer
    pagination_class = build_cursor_pagination("objects")
    queryset = Removal.objects.none()

    def get_queryset(self) -> QuerySet[Removal]:
        """Return the removals of one of the user's consents, or raise ``NotFoundProblem``."""
        consent_id: UUID = self.kwargs["consent_id"]
        consent = get_consent(user_id=user_id(self.request), consent_id=consent_id)
        return Removal.objects.filter(consent=consent)
