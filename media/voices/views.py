"""Serve the endpoints for voices."""

from typing import ClassVar
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from auteur.core.api.idempotency import idempotent
from auteur.core.api.pagination import build_cursor_pagination
from auteur.core.api.requests import plan_name, user_id
from auteur.core.api.scopes import Scope
from auteur.core.api.throttling import Cost
from auteur.core.api.views import APIView, ListAPIView
from auteur.core.api.waiting import WAIT_SECONDS
from media import uploads
from media.kinds import VOICES, TooManyVoicesProblem
from media.limits import MAX_SPEECH_MS, MIN_SPEECH_MS
from media.models import VoiceClone
from media.views import get_confirmation_status
from media.voices.serializers import (
    ConfirmedVoiceSerializer,
    NewVoiceSerializer,
    VoiceSerializer,
    VoiceUploadSerializer,
)
from media.voices.uploads import (
    ConsentRequiredProblem,
    VoiceInUseProblem,
    confirm_voice,
    delete_voice,
    request_voice,
)

SAMPLE = (
    f"A sample has {MIN_SPEECH_MS // 1000} to {MAX_SPEECH_MS // 1000} seconds of clear speech of "
    "one person, as a sound or as a film with sound."
)


@extend_schema_view(get=extend_schema(summary="List your voices", description="Newest first."))
class VoicesView(ListAPIView[VoiceClone]):
    """List voices, or create one."""

    scopes: ClassVar = {"GET": Scope.READ, "POST": Scope.MEDIA}
    costs: ClassVar = {"POST": Cost.UPLOAD}
    problems: ClassVar = {
        "POST": (*uploads.DECLARE_PROBLEMS, ConsentRequiredProblem, TooManyVoicesProblem)
    }
    serializer_class = VoiceSerializer
    pagination_class = build_cursor_pagination("voices")
    queryset = VoiceClone.objects.none()

    @extend_schema(
        summary="Create a voice",
        description=f"{SAMPLE} Send it with PUT to `upload_url`, with the `headers` of the "
        "answer, then confirm. The answer is 400 `consent_required` without `consent`, 409 "
        "`too_many_voices` above the limit of voices, and 403 `storage_quota_exceeded` as for "
        "media.",
        request=NewVoiceSerializer,
        responses={201: VoiceUploadSerializer},
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """Create a voice that waits for its sample."""
        serializer = NewVoiceSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        upload = request_voice(
            user_id=user_id(request), plan=plan_name(request), **serializer.validated_data
        )
        return Response(VoiceUploadSerializer(upload).data, status=status.HTTP_201_CREATED)

    def get_queryset(self) -> QuerySet[VoiceClone]:
        """Return the user's voices."""
        return VoiceClone.objects.filter(user_id=user_id(self.request))


class ConfirmVoiceView(APIView):
    """Confirm the upload of a sample."""

    scopes: ClassVar = {"POST": Scope.MEDIA}
    problems: ClassVar = {"POST": uploads.CONFIRM_PROBLEMS}

    @extend_schema(
        summary="Confirm a voice",
        description="Checks the sample. The answer is 200 with the checked voice if that takes "
        f"at most {WAIT_SECONDS:g} s, and 409 `upload_rejected` with a `reason` if the sample is "
        "refused and removed (`too_little_speech`, `too_much_speech`, `several_speakers`, "
        "`clipped`, `silent`, `no_sound`, `undecodable_sound`, `sample_too_long`, or as for "
        "media). The answer is 202 with the `status` `checking` if the check takes longer: jobs "
        "that use the voice are accepted meanwhile. To see the result, confirm again or list the "
        "voices.",
        request=None,
        responses={200: ConfirmedVoiceSerializer, 202: ConfirmedVoiceSerializer},
    )
    def post(self, request: Request, voice_id: UUID) -> Response:
        """Request the check of the sample."""
        voice = confirm_voice(user_id=user_id(request), voice_id=voice_id)
        return Response(
            {"voice": VoiceSerializer(voice).data},
            status=get_confirmation_status(request, VOICES, voice),
        )


class VoiceView(APIView):
    """Delete voices."""

    scopes: ClassVar = {"DELETE": Scope.MEDIA}
    problems: ClassVar = {"DELETE": (VoiceInUseProblem,)}

    @extend_schema(
        summary="Delete a voice",
        description="Deletes the voice and its sample. The answer is 409 `voice_in_use` while "
        "open jobs use the voice.",
        responses={204: None},
    )
    def delete(self, request: Request, voice_id: UUID) -> Response:
        """Delete the voice permanently, unless an open job uses it."""
        delete_voice(user_id=user_id(request), voice_id=voice_id)
        return Response(status=status.HTTP_204_NO_CONTENT)
