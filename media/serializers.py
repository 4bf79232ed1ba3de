"""What the media endpoints take and answer."""

from django.conf import settings
from django.core.validators import MinValueValidator
from rest_framework import serializers

from media.models import MediaFile, MediaStatus, MediaType
from media.storage import object_storage
from media.uploads import Upload

MAX_FILENAME_LENGTH = 255


class NewUploadSerializer(serializers.Serializer[None]):
    """A file that the client wants to upload."""

    filename = serializers.CharField(max_length=MAX_FILENAME_LENGTH)
    content_type = serializers.CharField(max_length=200, help_text="For example `video/mp4`.")
    size_bytes = serializers.IntegerField(
        required=False,
        allow_null=True,
        validators=[MinValueValidator(1)],
        help_text="If given, exactly so many bytes can be uploaded.",
    )


class DeletionSerializer(serializers.Serializer[None]):
    """How a media file is deleted."""

    force = serializers.BooleanField(
        default=False, help_text="Even if timelines show it: their clips are marked `offline`."
    )


class UploadSerializer(serializers.Serializer[Upload]):
    """Where and how to send the bytes."""

    media_id = serializers.UUIDField()
    upload_url = serializers.URLField()
    method = serializers.CharField(help_text="The method to send the bytes by: `PUT`.")
    headers = serializers.DictField(
        child=serializers.CharField(), help_text="To be sent with the bytes, as they are."
    )
    expires_at = serializers.DateTimeField()


class MediaSerializer(serializers.ModelSerializer[MediaFile]):
    """A media file."""

    project_id = serializers.UUIDField(read_only=True, allow_null=True)
    type = serializers.ChoiceField(choices=MediaType.choices, read_only=True)
    status = serializers.ChoiceField(choices=MediaStatus.choices, read_only=True)
    mime_type = serializers.CharField(read_only=True)
    metadata = serializers.DictField(
        read_only=True,
        help_text="`width`, `height`, `rotation` (clockwise degrees), `frame_rate`, `has_audio`, "
        "codecs and so on; `rejected`, a code, where the file was refused.",
    )
    origin = serializers.DictField(
        read_only=True,
        allow_null=True,
        help_text="Of a job's result: `job_id`, `type`, `engine` with its model, and the "
        "`media_ids` that it was made from. Null for what was uploaded.",
    )

    class Meta:
        model = MediaFile
        fields: tuple[str, ...] = (
            "id", "project_id", "name", "type", "status", "mime_type", "duration_ms",
            "file_size_bytes", "metadata", "origin", "created_at",
        )  # fmt: skip
        read_only_fields = fields


class MediaDetailSerializer(MediaSerializer):
    """A media file with a URL to download it from, once it is ready."""

    download_url = serializers.SerializerMethodField(
        help_text=f"Works for {settings.PRESIGNED_URL_SECONDS // 60} minutes."
    )

    class Meta(MediaSerializer.Meta):
        fields = (*MediaSerializer.Meta.fields, "download_url")
        read_only_fields = fields

    def get_download_url(self, media: MediaFile) -> str | None:
        """A signed URL."""
        if media.status != MediaStatus.READY:
            return None
        return object_storage().presigned_get(media.r2_key, filename=media.name)


class ConfirmedMediaSerializer(serializers.Serializer[None]):
    """The media file that an upload became."""

    media = MediaSerializer()
