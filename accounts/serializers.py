"""What the accounts endpoints read and write."""

from django.core.validators import URLValidator
from rest_framework import serializers

from accounts.models import Plan, SubscriptionStatus

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


class ProfileChangesSerializer(serializers.Serializer):
    """What a user may change; what is left out stays."""

    name = serializers.CharField(required=False, allow_blank=True, max_length=MAX_NAME_CHARS)
    avatar_url = serializers.CharField(
        required=False,
        allow_blank=True,
        max_length=MAX_AVATAR_URL_CHARS,
        validators=[URLValidator(schemes=["https"], message="Enter an https:// URL.")],
    )
