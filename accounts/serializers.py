"""The request and response bodies of the accounts endpoints."""

from django.core.validators import URLValidator
from rest_framework import serializers

from accounts.models import ExportStatus, Plan, SubscriptionStatus
from auteur.core.api.choices import ChoiceField
from auteur.core.api.secret_fields import SecretURLField
from auteur.core.api.unknown_fields import RequestSerializer

MAX_NAME_CHARS = 255
MAX_AVATAR_URL_CHARS = 2048


class VerifiedTokenSerializer(serializers.Serializer):
    """The answer to a valid access token."""

    valid = serializers.BooleanField()
    user_id = serializers.UUIDField()


class SubscriptionSerializer(serializers.Serializer):
    """The plan in force."""

    plan = serializers.ChoiceField(Plan.choices)
    status = serializers.ChoiceField(SubscriptionStatus.choices)


class ProfileBalanceSerializer(serializers.Serializer):
    """The credits in a profile."""

    balance = serializers.IntegerField()


class ProfileStorageSerializer(serializers.Serializer):
    """The storage of media and voices in a profile."""

    used_bytes = serializers.IntegerField(
        help_text="The bytes of media and voices. An upload counts with its declared size, or with "
        "the largest allowed one if it declares none."
    )
    limit_bytes = serializers.IntegerField(
        allow_null=True, help_text="The quota in bytes; null if there is none."
    )


class ProfileSerializer(serializers.Serializer):
    """The profile of the requesting user."""

    id = serializers.UUIDField()
    email = serializers.CharField()
    name = serializers.CharField()
    avatar_url = serializers.URLField(allow_null=True)
    subscription = SubscriptionSerializer(allow_null=True)
    credits = ProfileBalanceSerializer()
    storage = ProfileStorageSerializer()
    closing_at = serializers.DateTimeField(
        allow_null=True,
        help_text="When a closed account is erased; null if it is not closed. Until then it can be "
        "restored, and accepts nothing new.",
    )


class ClosingSerializer(serializers.Serializer):
    """A closed account."""

    closing_at = serializers.DateTimeField(
        help_text="When the account is erased. Until then it can be restored."
    )


class NewExportSerializer(RequestSerializer):
    """The request of an export, with its optional parts."""

    include = serializers.ListField(
        child=ChoiceField(["media"]),
        default=list,
        max_length=1,
        help_text="`media` adds media files and samples of voices.",
    )


class ExportSerializer(serializers.Serializer):
    """An export, with a URL once it is ready."""

    id = serializers.UUIDField()
    status = serializers.ChoiceField(ExportStatus.choices)
    progress = serializers.FloatField(help_text="The completed share, from 0 to 1.")
    include = serializers.ListField(child=serializers.ChoiceField(["media"]))
    size_bytes = serializers.IntegerField(allow_null=True)
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(
        allow_null=True, help_text="When the archive is deleted."
    )
    download_url = SecretURLField(
        allow_null=True, help_text="A signed URL, valid for 15 minutes. Each answer has a new one."
    )


class ProfileChangesSerializer(RequestSerializer):
    """The changes of a profile. Fields that are left out stay as they are."""

    name = serializers.CharField(required=False, allow_blank=True, max_length=MAX_NAME_CHARS)
    avatar_url = serializers.CharField(
        required=False,
        allow_blank=True,
        max_length=MAX_AVATAR_URL_CHARS,
        validators=[URLValidator(schemes=["https"], message="Enter an https:// URL.")],
    )
