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
    """A file that the client wants to upload."""

    filename = serializers.CharField(max_length=MAX_FILENAME_LENGTH)
    content_type = serializers.CharField(
        max_length=200,
        help_text="For example `video/mp4`. Pictures are still (a GIF may move), of 67 million "
        "pixels at most, photos in JPEG of 134 million.",
    )
    size_bytes = serializers.IntegerField(
        required=False,
        allow_null=True,
        validators=[MinValueValidator(1)],
        help_text="If given, exactly so many bytes can be uploaded, and their room is kept.",
    )


class NewImportSerializer(RequestSerializer):
    """A file that we are to fetch."""

    url = serializers.CharField(max_length=MAX_URL_LENGTH, help_text="Of the file itself.")
    filename = serializers.CharField(
        max_length=MAX_FILENAME_LENGTH,
        required=False,
        help_text="By default what the server or the URL calls it. By its extension we know the "
        "type of a file whose server does not tell it.",
    )


class DeletionSerializer(serializers.Serializer[None]):
    """How a media file is deleted."""

    force = serializers.BooleanField(
        default=False, help_text="Even if timelines show it: their clips are marked `offline`."
    )


class PartUploadSerializer(serializers.Serializer[PartUpload]):
    """Where to send one part of a large file."""

    part_number = serializers.IntegerField()
    offset = serializers.IntegerField(help_text="Where in the file the part begins, in bytes.")
    size_bytes = serializers.IntegerField(help_text="Exactly so many bytes are taken.")
    received = serializers.BooleanField(help_text="Whether the storage has it.")
    upload_url = SecretURLField(allow_null=True, help_text="null once it is received.")


class UploadSerializer(serializers.Serializer[UploadTarget]):
    """Where and how to send the bytes."""

    media_id = serializers.UUIDField(source="id")
    upload_url = SecretURLField(
        allow_null=True, help_text="For the whole file; null where it is sent in `parts`."
    )
    method = serializers.CharField(help_text="The method to send the bytes by: `PUT`.")
    headers = serializers.DictField(
        child=serializers.CharField(), help_text="To be sent with the bytes, as they are."
    )
    expires_at = serializers.DateTimeField(help_text="When the URLs stop working.")
    part_size_bytes = serializers.IntegerField(
        allow_null=True, help_text="Of all parts but the last; null where there are none."
    )
    parts = PartUploadSerializer(
        many=True,
        allow_null=True,
        help_text=f"Of files above {MULTIPART_BYTES // 1024**2} MiB with a declared `size_bytes`.",
    )


class SpriteSerializer(serializers.Serializer[None]):
    """How the tiles of a sprite strip lie: in rows, each tile at its own time."""

    tile_width = serializers.IntegerField()
    tile_height = serializers.IntegerField()
    columns = serializers.IntegerField()
    rows = serializers.IntegerField()
    count = serializers.IntegerField(help_text="Tile `n` is in row `n // columns`.")
    interval_ms = serializers.IntegerField(help_text="Tile `n` is of `n * interval_ms`.")


class DerivativesSerializer(serializers.Serializer[MediaFile]):
    """How far pictures and waveform are."""

    status = serializers.ChoiceField(DerivationStatus.choices, source="derivation_status")
    progress = serializers.FloatField(source="derivation_progress", help_text="0 to 1.")


class RejectionSerializer(serializers.Serializer[None]):
    """Why a file was refused."""

    code = serializers.CharField()
    detail = serializers.CharField()


class ImportSerializer(serializers.ModelSerializer[MediaImport]):
    """Where a file is fetched from, and how much of it has come."""

    url = serializers.CharField(source="source", help_text="Without its query.")
    progress = serializers.FloatField(
        allow_null=True, help_text="0 to 1; null where the server does not tell the size."
    )
    size_bytes = serializers.IntegerField(
        source="media.file_size_bytes", allow_null=True, help_text="As the server tells it."
    )
    error = RejectionSerializer(
        allow_null=True, help_text="Why the last try failed, while there will be another."
    )

    class Meta:
        model = MediaImport
        fields = ("url", "progress", "received_bytes", "size_bytes", "error")
        read_only_fields = fields


class SignedUrlField(serializers.CharField):
    """Of an object's key, a URL to read it; null without a key."""

    def __init__(self, **options: Any) -> None:
        super().__init__(read_only=True, allow_null=True, **options)

    def to_representation(self, value: str) -> SealedSecret:
        return SealedSecret(object_storage().presigned_get(value))


class MediaSerializer(serializers.ModelSerializer[MediaFile]):
    """A media file."""

    project_id = serializers.UUIDField(read_only=True, allow_null=True)
    type = serializers.ChoiceField(choices=MediaType.choices, read_only=True)
    status = serializers.ChoiceField(choices=MediaStatus.choices, read_only=True)
    mime_type = OptionalTextField(help_text="null until the type of an import is known.")
    metadata = serializers.DictField(
        read_only=True,
        help_text="`width`, `height`, `rotation` (clockwise degrees) after `mirrored` (left to "
        "right), `frame_rate` (on average), `variable_frame_rate`, `start_timecode` "
        "(`hh:mm:ss:ff`, `;` before the frames if drop-frame; only where the file has one), "
        "`bit_depth`, `hdr` and other facts of colour, `has_audio`, `audio_channels`, codecs and "
        "so on.",
    )
    rejection = RejectionSerializer(
        source="refusal",
        read_only=True,
        allow_null=True,
        help_text="Why the file was refused, if it was.",
    )
    origin = serializers.DictField(
        read_only=True,
        allow_null=True,
        help_text="Of a job's result: `job_id`, `type`, `engine` with its model, and the "
        "`media_ids` that it was made from (`voice_ids` of speech in a voice), and what its "
        "content `credentials` are. Null for what was uploaded.",
    )
    thumbnail_url = SignedUrlField(
        source="thumbnail_r2_key",
        help_text="A JPEG of a film or a picture, upright; null until there is one.",
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
            source="url_import", read_only=True, allow_null=True, help_text="Of one by URL."
        )
        return {**super().get_fields(), "import": import_field}


class MediaFilter(ListFilter):
    """What lists of media can be narrowed and ordered by."""

    type = ChoiceField(choices=MediaType.choices, required=False)
    status = ChoiceField(choices=MediaStatus.choices, required=False)

    LOOKUPS: ClassVar = {"type": "type", "status": "status"}
    SEARCHED = "name"
    SORTS: ClassVar = {"created_at": "created_at", "name": Lower("name")}


class MediaDetailSerializer(MediaSerializer):
    """A media file with URLs of the file and of what was made of it, as far as it is there."""

    download_url = SecretMethodField(
        help_text=f"Works for {settings.PRESIGNED_URL_SECONDS // 60} minutes, as all these URLs."
    )
    derivatives = DerivativesSerializer(
        source="*", read_only=True, help_text="`failed` means that there are none."
    )
    sprite_url = SignedUrlField(source="sprite_r2_key", help_text="A JPEG of tiles, for a film.")
    sprite = SpriteSerializer(read_only=True, allow_null=True)
    peaks_url = SignedUrlField(
        source="peaks_r2_key",
        help_text="The waveform: JSON with `pairs_per_second`, `length` and `data`, least and "
        "greatest sample (-128 to 127) in turn.",
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
