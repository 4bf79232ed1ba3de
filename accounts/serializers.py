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
    """The answer to a valid token."""

    valid = serializers.BooleanField()
    user_id = serializers.UUIDField()


class SubscriptionSerializer(serializers.Serializer):
    """The plan in force."""

    plan = serializers.ChoiceField(Plan.choices)
    status = serializers.ChoiceField(SubscriptionStatus.choices)


class ProfileBalanceSerializer(serializers.Serializer):
    """The credits on a profile."""

    balance = serializers.IntegerField()


class ProfileStorageSerializer(serializers.Serializer):
    """The room for media and voices on a profile."""

    used_bytes = serializers.IntegerField(
        help_text="Of media and voices; uploads count by their declared size, or by the most "
        "that one without a size may have."
    )
    limit_bytes = serializers.IntegerField(allow_null=True, help_text="null is no limit.")


class ProfileSerializer(serializers.Serializer):
    """A user, as they see themselves."""

    id = serializers.UUIDField()
    email = serializers.CharField()
    name = serializers.CharField()
    avatar_url = serializers.URLField(allow_null=True)
    subscription = SubscriptionSerializer(allow_null=True)
    credits = ProfileBalanceSerializer()
    storage = ProfileStorageSerializer()
    closing_at = serializers.DateTimeField(
        allow_null=True,
        help_text="When the account ends for good, once it was closed: until then it can be "
        "restored, and nothing new is taken.",
    )


class ClosingSerializer(serializers.Serializer):
    """A closed account."""

    closing_at = serializers.DateTimeField(help_text="Until then it can be restored.")


class NewExportSerializer(RequestSerializer):
    """What an export is to hold besides."""

    include = serializers.ListField(
        child=ChoiceField(["media"]),
        default=list,
        max_length=1,
        help_text="`media`: the files themselves, and the samples of voices.",
    )


class ExportSerializer(serializers.Serializer):
    """An export, and where it is downloaded once it is ready."""

    id = serializers.UUIDField()
    status = serializers.ChoiceField(ExportStatus.choices)
    progress = serializers.FloatField(help_text="Share done, 0 to 1.")
    include = serializers.ListField(child=serializers.ChoiceField(["media"]))
    size_bytes = serializers.IntegerField(allow_null=True)
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(
        allow_null=True, help_text="When the archive is removed."
    )
    download_url = SecretURLField(
        allow_null=True, help_text="Signed anew with each answer; good for a quarter of an hour."
    )


class ProfileChangesSerializer(RequestSerializer):
    """What a user may change; what is left out stays."""

    name = serializers.CharField(required=False, allow_blank=True, max_length=MAX_NAME_CHARS)
    avatar_url = serializers.CharField(
        required=False,
        allow_blank=True,
        max_length=MAX_AVATAR_URL_CHARS,
        validators=[URLValidator(schemes=["https"], message="Enter an https:// URL.")],
    )
