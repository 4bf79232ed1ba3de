"""Parse the requests and build the responses of the endpoints for media."""

from typing import Any, ClassVar

from django.conf import settings
from django.core.validators import MinValueValidator
from django.db.models.functions import Lower
from rest_framework import serializers

from auteur.core.api.cached_serializers import OptionalTextField
from auteur.core.api.choices import ChoiceField
from auteur.core.api.filters import ListFilter
from auteur.core.api.secret_fields import SealedSecret, SecretMethodField, SecretURLField
from auteur.core.api.unknown_fields import RequestSerializer
from media.imports.limits import MAX_URL_LENGTH
from media.models import DerivationStatus, MediaFile, MediaImport, MediaStatus, MediaType
from media.parts import PartUpload
from media.storage import object_storage
from media.storage.multipart import MULTIPART_BYTES
from media.uploads import UploadTarget

MAX_FILENAME_LENGTH = 255


class NewUploadSerializer(RequestSerializer):
    """A file to be uploaded."""

    filename = serializers.CharField(max_length=MAX_FILENAME_LENGTH)
    content_type = serializers.CharField(
        max_length=200,
        help_text="For example `video/mp4`. Pictures must be still (except GIF) and may have at "
        "most 67 million pixels, photos in JPEG 134 million.",
    )
    size_bytes = serializers.IntegerField(
        required=False,
        allow_null=True,
        validators=[MinValueValidator(1)],
        help_text="The exact size of the file. If it is given, only a file of this size can be "
        "uploaded, and the storage for it is reserved.",
    )


class NewImportSerializer(RequestSerializer):
    """A file to be imported from a URL."""

    url = serializers.CharField(
        max_length=MAX_URL_LENGTH, help_text="The URL of the file itself, not of a web page."
    )
    filename = serializers.CharField(
        max_length=MAX_FILENAME_LENGTH,
        required=False,
        help_text="The name of the media file. By default it is taken from the server or the "
        "URL. Its extension decides the type if the server does not state one.",
    )


class DeletionSerializer(serializers.Serializer[None]):
    """How to delete a media file."""

    force = serializers.BooleanField(
        default=False,
        help_text="Delete the file even if timelines show it. Their clips are then marked "
        "`offline`.",
    )


class PartUploadSerializer(serializers.Serializer[PartUpload]):
    """One part of a large file, and the URL to send it to."""

    part_number = serializers.IntegerField()
    offset = serializers.IntegerField(
        help_text="The position in the file at which the part begins, in bytes."
    )
    size_bytes = serializers.IntegerField(help_text="The exact size of the part.")
    received = serializers.BooleanField(help_text="True if the storage has received the part.")
    upload_url = SecretURLField(allow_null=True, help_text="Null once the part is received.")


class UploadSerializer(serializers.Serializer[UploadTarget]):
    """Where and how to send the file."""

    media_id = serializers.UUIDField(source="id")
    upload_url = SecretURLField(
        allow_null=True, help_text="The URL for the whole file. Null if it is sent in `parts`."
    )
    method = serializers.CharField(help_text="The HTTP method: `PUT`.")
    headers = serializers.DictField(
        child=serializers.CharField(), help_text="The headers to send with the request, unchanged."
    )
    expires_at = serializers.DateTimeField(help_text="The time at which the URLs expire.")
    part_size_bytes = serializers.IntegerField(
        allow_null=True,
        help_text="The size of each part except the last. Null if the file is not sent in parts.",
    )
    parts = PartUploadSerializer(
        many=True,
        allow_null=True,
        help_text=f"The parts, for files above {MULTIPART_BYTES // 1024**2} MiB with a declared "
        "`size_bytes`. Otherwise null.",
    )


class SpriteSerializer(serializers.Serializer[None]):
    """The layout of a sprite strip: tiles in rows, one for each interval of time."""

    tile_width = serializers.IntegerField()
    tile_height = serializers.IntegerField()
    columns = serializers.IntegerField()
    rows = serializers.IntegerField()
    count = serializers.IntegerField(
        help_text="The number of tiles. Tile `n` is in row `n // columns`."
    )
    interval_ms = serializers.IntegerField(
        help_text="The time between tiles. Tile `n` shows the film at `n * interval_ms`."
    )


class DerivativesSerializer(serializers.Serializer[MediaFile]):
    """The state of a file's thumbnail, sprite and waveform."""

    status = serializers.ChoiceField(DerivationStatus.choices, source="derivation_status")
    progress = serializers.FloatField(source="derivation_progress", help_text="0 to 1.")


class RejectionSerializer(serializers.Serializer[None]):
    """The reason why a file was refused."""

    code = serializers.CharField()
    detail = serializers.CharField()


class ImportSerializer(serializers.ModelSerializer[MediaImport]):
    """The import of a file, and its progress."""

    url = serializers.CharField(source="source", help_text="The URL without its query.")
    progress = serializers.FloatField(
        allow_null=True, help_text="From 0 to 1. Null if the server does not state the size."
    )
    size_bytes = serializers.IntegerField(
        source="media.file_size_bytes",
        allow_null=True,
        help_text="The size that the server states.",
    )
    error = RejectionSerializer(
        allow_null=True, help_text="Why the last try failed, if there will be another."
    )

    class Meta:
        model = MediaImport
        fields = ("url", "progress", "received_bytes", "size_bytes", "error")
        read_only_fields = fields


class SignedUrlField(serializers.CharField):
    """A signed URL to read the object with this key. Null without a key."""

    def __init__(self, **options: Any) -> None:
        super().__init__(read_only=True, allow_null=True, **options)

    def to_representation(self, value: str) -> SealedSecret:
        return SealedSecret(object_storage().presigned_get(value))


class MediaSerializer(serializers.ModelSerializer[MediaFile]):
    """A media file."""

    project_id = serializers.UUIDField(read_only=True, allow_null=True)
    type = serializers.ChoiceField(choices=MediaType.choices, read_only=True)
    status = serializers.ChoiceField(choices=MediaStatus.choices, read_only=True)
    mime_type = OptionalTextField(help_text="Null until the type of an import is known.")
    metadata = serializers.DictField(
        read_only=True,
        help_text="The measured properties: `width`, `height`, `rotation` (clockwise degrees, "
        "applied after `mirrored`, left to right), `frame_rate` (average), `variable_frame_rate`, "
        "`start_timecode` (`hh:mm:ss:ff`, with `;` before the frames if drop-frame; only if the "
        "file has one), `bit_depth`, `hdr` and other colour properties, `has_audio`, "
        "`audio_channels`, codecs and others.",
    )
    rejection = RejectionSerializer(
        source="refusal",
        read_only=True,
        allow_null=True,
        help_text="Why the file was refused. Null if it was not.",
    )
    origin = serializers.DictField(
        read_only=True,
        allow_null=True,
        help_text="How a job made the media: `job_id`, `type`, `engine` with its model, the "
        "`media_ids` that it was made from (`voice_ids` for speech in a voice), and its content "
        "`credentials`. Null for uploads.",
    )
    thumbnail_url = SignedUrlField(
        source="thumbnail_r2_key",
        help_text="A JPEG of the film or picture, upright. Null until it is made.",
    )

    class Meta:
        model = MediaFile
        fields: tuple[str, ...] = (
            "id",
            "project_id",
            "name",
            "type",
            "status",
            "mime_type",
            "duration_ms",
            "file_size_bytes",
            "metadata",
            "rejection",
            "origin",
            "thumbnail_url",
            "created_at",
        )
        read_only_fields = fields

    def get_fields(self) -> dict[str, Any]:
        """Add `import`, which cannot be declared because it is a Python keyword."""
        import_field = ImportSerializer(
            source="url_import",
            read_only=True,
            allow_null=True,
            help_text="The import, if the file was imported by URL.",
        )
        return {**super().get_fields(), "import": import_field}


class MediaFilter(ListFilter):
    """The filters and orders of lists of media."""

    type = ChoiceField(choices=MediaType.choices, required=False)
    status = ChoiceField(choices=MediaStatus.choices, required=False)

    LOOKUPS: ClassVar = {"type": "type", "status": "status"}
    SEARCHED = "name"
    SORTS: ClassVar = {"created_at": "created_at", "name": Lower("name")}


class MediaDetailSerializer(MediaSerializer):
    """A media file, with URLs of the file and of its existing derivatives."""

    download_url = SecretMethodField(
        help_text="The URL of the file. All these URLs expire after "
        f"{settings.PRESIGNED_URL_SECONDS // 60} minutes."
    )
    derivatives = DerivativesSerializer(
        source="*",
        read_only=True,
        help_text="The state of the derivatives. `failed` means that there are none.",
    )
    sprite_url = SignedUrlField(
        source="sprite_r2_key", help_text="The sprite strip of a film: a JPEG of tiles."
    )
    sprite = SpriteSerializer(read_only=True, allow_null=True)
    peaks_url = SignedUrlField(
        source="peaks_r2_key",
        help_text="The waveform: JSON with `pairs_per_second`, `length` and `data`, which "
        "alternates the least and the greatest sample (-128 to 127) of each pair.",
    )

    class Meta(MediaSerializer.Meta):
        fields = (
            *MediaSerializer.Meta.fields,
            "download_url",
            "derivatives",
            "sprite_url",
            "sprite",
            "peaks_url",
        )
        read_only_fields = fields

    def get_download_url(self, media: MediaFile) -> str | None:
        if media.status != MediaStatus.READY:
            return None
        return object_storage().presigned_get(media.r2_key, filename=media.name)


class ConfirmedMediaSerializer(serializers.Serializer[None]):
    """The media file that an upload became."""

    media = MediaSerializer()
