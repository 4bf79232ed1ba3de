"""Parse the requests and build the responses of the endpoints for voices."""

from django.conf import settings
from django.core.validators import MinValueValidator
from rest_framework import serializers

from auteur.core.api.cached_serializers import OptionalTextField
from auteur.core.api.secret_fields import SecretMethodField, SecretURLField
from auteur.core.api.unknown_fields import RequestSerializer
from media.models import MediaStatus, VoiceClone
from media.storage import object_storage
from media.uploads import UploadTarget
from media.voices.uploads import CONSENT_STATEMENT

MAX_NAME_LENGTH = 255
MAX_STATEMENT_LENGTH = 2000


class NewVoiceSerializer(RequestSerializer):
    """A voice whose sample is to be uploaded."""

    name = serializers.CharField(max_length=MAX_NAME_LENGTH)
    content_type = serializers.CharField(max_length=200, help_text="For example `audio/wav`.")
    filename = serializers.CharField(
        required=False,
        max_length=MAX_NAME_LENGTH,
        help_text="The file name under which browsers save the preview.",
    )
    size_bytes = serializers.IntegerField(
        required=False,
        allow_null=True,
        validators=[MinValueValidator(1)],
        help_text="The exact size of the sample. If it is given, only a file of this size can be "
        "uploaded.",
    )
    consent = serializers.BooleanField(
        default=False,
        allow_null=True,
        help_text="Must be `true`: the speaker agrees that speech is generated with this voice. "
        "The consent is recorded with its time.",
    )
    consent_statement = serializers.CharField(
        required=False,
        max_length=MAX_STATEMENT_LENGTH,
        help_text="The text that the speaker has agreed to, if it is not this: "
        f"“{CONSENT_STATEMENT}”",
    )


class VoiceUploadSerializer(serializers.Serializer[UploadTarget]):
    """Where and how to send the sample."""

    voice_id = serializers.UUIDField(source="id")
    upload_url = SecretURLField()
    method = serializers.CharField(help_text="The HTTP method: `PUT`.")
    headers = serializers.DictField(
        child=serializers.CharField(), help_text="The headers to send with the request, unchanged."
    )
    expires_at = serializers.DateTimeField()


class VoiceSerializer(serializers.ModelSerializer[VoiceClone]):
    """A voice, with a URL to hear its sample once it is ready."""

    status = serializers.ChoiceField(choices=MediaStatus.choices, read_only=True)
    consent_statement = OptionalTextField(help_text="The text that the speaker has agreed to.")
    rejected = serializers.SerializerMethodField(
        help_text="The code of the reason why the sample was refused."
    )
    preview_url = SecretMethodField(
        help_text="A URL of the sample, which expires after "
        f"{settings.PRESIGNED_URL_SECONDS // 60} minutes."
    )

    class Meta:
        model = VoiceClone
        fields = (
            "id",
            "name",
            "status",
            "rejected",
            "sample_duration_ms",
            "speech_duration_ms",
            "consent_statement",
            "consented_at",
            "created_at",
            "preview_url",
        )
        read_only_fields = fields

    def get_rejected(self, voice: VoiceClone) -> str | None:
        """Return the code of the refusal, or None."""
        return voice.rejection or None

    def get_preview_url(self, voice: VoiceClone) -> str | None:
        if voice.status != MediaStatus.READY:
            return None
        return object_storage().presigned_get(voice.sample_r2_key, filename=voice.filename or None)


class ConfirmedVoiceSerializer(serializers.Serializer[None]):
    """The voice that an upload became."""

    voice = VoiceSerializer()
