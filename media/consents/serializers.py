"""Parse the requests and build the responses of the endpoints for consents."""

from typing import Any

from django.db.models import Count, Q, Sum
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from auteur.core.api.cached_serializers import OptionalTextField
from auteur.core.api.choices import ChoiceField
from auteur.core.api.unknown_fields import RequestSerializer
from media.consents.derived_works import get_derived_works
from media.consents.models import (
    MAX_SUBJECT_LENGTH,
    Consent,
    ConsentKind,
    ConsentStatus,
    Removal,
    RemovedKind,
)
from media.consents.records import MAX_COVERED
from media.consents.statements import STATEMENTS

MAX_STATEMENT_LENGTH = 2000
STATUSES = [(status, status) for status in ("given", "revoked", "removed")]
OUR_STATEMENTS = " ".join(
    f"{kind.label}: “{statement.text}”" for kind, statement in STATEMENTS.items()
)


class NewConsentSerializer(RequestSerializer):
    """The consent of a person to the use of their voice or face."""

    kind = ChoiceField(choices=ConsentKind.choices)
    subject = serializers.CharField(
        max_length=MAX_SUBJECT_LENGTH, help_text="The name of the person whose voice or face it is."
    )
    media_ids = serializers.ListField(
        child=serializers.UUIDField(),
        required=False,
        default=list,
        max_length=MAX_COVERED,
        help_text="The media files in which the person is heard or seen. Send either these or a "
        "`voice_id`.",
    )
    voice_id = serializers.UUIDField(
        required=False, allow_null=True, help_text="A voice from `GET /voices`."
    )
    statement = serializers.CharField(
        required=False,
        max_length=MAX_STATEMENT_LENGTH,
        help_text=f"The text that the person has agreed to, if it is not ours: {OUR_STATEMENTS}",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Require either media or a voice, and refuse a face for a voice."""
        if bool(attrs["media_ids"]) == bool(attrs.get("voice_id")):
            raise serializers.ValidationError(
                {"media_ids": ["Send either media_ids or a voice_id."]}, code="either"
            )
        if attrs.get("voice_id") and attrs["kind"] != ConsentKind.VOICE:
            raise serializers.ValidationError(
                {"voice_id": ["A consent of the kind `face` needs media_ids, not a voice_id."]},
                code="not_here",
            )
        return attrs


class ConsentSerializer(serializers.ModelSerializer[Consent]):
    """A consent."""

    kind = serializers.ChoiceField(choices=ConsentKind.choices, read_only=True)
    statement_version = OptionalTextField(
        help_text="The version of our statement; null if the client showed another one."
    )
    media_ids = serializers.ListField(child=serializers.UUIDField(), read_only=True)
    status = serializers.SerializerMethodField()

    class Meta:
        model = Consent
        fields: tuple[str, ...] = (
            "id",
            "kind",
            "subject",
            "statement",
            "statement_version",
            "media_ids",
            "voice_id",
            "status",
            "given_at",
            "revoked_at",
            "finished_at",
        )
        read_only_fields = fields

    @extend_schema_field(serializers.ChoiceField(choices=STATUSES))
    def get_status(self, consent: Consent) -> str:
        """Return `revoked` during the removal, and `removed` when all objects are removed."""
        if consent.status == ConsentStatus.ACTIVE:
            return "given"
        return "revoked" if consent.finished_at is None else "removed"


class ReceiptSerializer(serializers.Serializer[Any]):
    """The totals of a receipt."""

    objects_count = serializers.IntegerField(help_text="The number of objects found so far.")
    removed_count = serializers.IntegerField(
        help_text="The number of these objects that have been removed."
    )
    size_bytes = serializers.IntegerField(
        help_text="The total size of these objects, as far as it is known."
    )


class ConsentDetailSerializer(ConsentSerializer):
    """A consent, and the totals of its receipt once it is revoked."""

    receipt = serializers.SerializerMethodField()
    refunds_left = serializers.SerializerMethodField()

    class Meta(ConsentSerializer.Meta):
        fields = (*ConsentSerializer.Meta.fields, "receipt", "refunds_left")
        read_only_fields = fields

    @extend_schema_field(
        serializers.IntegerField(
            help_text="The number of begun jobs that would still be refunded if a revocation "
            "cancelled them now. Further begun jobs are cancelled without a refund."
        )
    )
    def get_refunds_left(self, consent: Consent) -> int:
        return get_derived_works().count_remaining_refunds(user_id=consent.user_id)

    @extend_schema_field(ReceiptSerializer(allow_null=True))
    def get_receipt(self, consent: Consent) -> Any:
        if consent.revoked_at is None:
            return None
        totals = Removal.objects.filter(consent=consent).aggregate(
            objects_count=Count("pk"),
            removed_count=Count("pk", filter=Q(removed_at__isnull=False)),
            size_bytes=Sum("size_bytes", default=0),
        )
        return ReceiptSerializer(totals).data


class RemovalSerializer(serializers.ModelSerializer[Removal]):
    """An object of a receipt."""

    kind = serializers.ChoiceField(choices=RemovedKind.choices, read_only=True)
    id = serializers.UUIDField(
        source="object_id",
        help_text="The id of the media file, the voice, the export, or the job that made the "
        "object.",
    )

    class Meta:
        model = Removal
        fields = ("id", "kind", "key", "size_bytes", "removed_at")
        read_only_fields = fields
