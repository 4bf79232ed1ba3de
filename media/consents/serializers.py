"""Parse the requests and build the responses of the endpoints for consents."""

from typing import Any

from django.db.models import Count, Q, Sum
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from auteur.api.cached_serializers import OptionalTextField
from auteur.api.choices import ChoiceField
from auteur.api.unknown_fields import RequestSerializer
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
OUR_STATEMENTS = " ".join(f"{kind.label}: “{statement.text}”" for kind, statement in STATEMENTS.items())


class NewConsentSerializer(RequestSerializer):
    """Somebody agrees that their voice or face is used."""

    kind = ChoiceField(choices=ConsentKind.choices)
    subject = serializers.CharField(
        max_length=MAX_SUBJECT_LENGTH, help_text="Whose voice or face it is: a name."
    )
    media_ids = serializers.ListField(
        child=serializers.UUIDField(),
        required=False,
        default=list,
        max_length=MAX_COVERED,
        help_text="Media files in which it is heard or seen; or a `voice_id`.",
    )
    voice_id = serializers.UUIDField(
        required=False, allow_null=True, help_text="A voice from `GET /voices`."
    )
    statement = serializers.CharField(
        required=False,
        max_length=MAX_STATEMENT_LENGTH,
        help_text=f"The words that were agreed to, where they are not ours. {OUR_STATEMENTS}",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Require either media or a voice, and refuse a face for a voice."""
        if bool(attrs["media_ids"]) == bool(attrs.get("voice_id")):
            raise serializers.ValidationError(
                {"media_ids": ["Either media_ids or a voice_id is needed."]}, code="either"
            )
        if attrs.get("voice_id") and attrs["kind"] != ConsentKind.VOICE:
            raise serializers.ValidationError(
                {"voice_id": ["A voice has no face."]}, code="not_here"
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
        """`revoked` while what was made is being removed; `removed` when all of it is gone."""
        if consent.status == ConsentStatus.GIVEN:
            return "given"
        return "revoked" if consent.finished_at is None else "removed"


class ReceiptSerializer(serializers.Serializer[Any]):
    """What a receipt adds up to."""

    objects_count = serializers.IntegerField(help_text="Objects that were found so far.")
    removed_count = serializers.IntegerField(help_text="Of these, those that are gone.")
    size_bytes = serializers.IntegerField(help_text="Of all of them, as far as it is known.")


class ConsentDetailSerializer(ConsentSerializer):
    """A consent, and what its receipt adds up to once it is revoked."""

    receipt = serializers.SerializerMethodField()
    refunds_left = serializers.SerializerMethodField()

    class Meta(ConsentSerializer.Meta):
        fields = (*ConsentSerializer.Meta.fields, "receipt", "refunds_left")
        read_only_fields = fields

    @extend_schema_field(
        serializers.IntegerField(
            help_text="How many jobs whose work has begun would be refunded, if a revocation "
            "cancelled them now. It cancels further ones as well, without a refund."
        )
    )
    def get_refunds_left(self, consent: Consent) -> int:
        return get_derived_works().refunds_left(user_id=consent.user_id)

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
        help_text="Of the media file, the voice, the export, or the job that made it.",
    )

    class Meta:
        model = Removal
        fields = ("id", "kind", "key", "size_bytes", "removed_at")
        read_only_fields = fields
