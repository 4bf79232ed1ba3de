"""Store media files, imports and voices as rows; their bytes are in the object storage."""

import uuid
from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower, Now

from auteur.core.database.keys import NewId, new_id
from auteur.core.database.ordering import TimeAtUtc
from gpu_tasks.runtime.errors import InputRefusedError
from media.consents.models import Consent, Removal

__all__ = ["Consent", "Removal"]  # Django's autodiscovery imports this module only.


class MediaType(models.TextChoices):
    """The kind of content of a file."""

    VIDEO = "video", "Video"
    AUDIO = "audio", "Audio"
    IMAGE = "image", "Image"


class MediaStatus(models.TextChoices):
    """The state of an upload: `uploading` until confirmed, then `checking` until the check ends.

    Then it is `ready`, or `rejected` and its object is deleted.
    """

    UPLOADING = "uploading", "Uploading"
    CHECKING = "checking", "Checking"
    READY = "ready", "Ready"
    REJECTED = "rejected", "Rejected"


class DerivationStatus(models.TextChoices):
    """The state of a file's derivatives; the file is usable in all of them."""

    WAITING = "waiting", "Waiting"
    WORKING = "working", "Working"
    DONE = "done", "Done"
    FAILED = "failed", "Failed"


class Upload(models.Model):
    """The base of media files and voices: the state of the upload, and its object."""

    KEY: ClassVar[str]
    """The column with the object's key."""
    ENDED: ClassVar[dict[str, Any]] = {}
    """The columns to reset when the upload is over, with their values."""

    user_id: uuid.UUID
    id = models.UUIDField(primary_key=True, default=new_id, db_default=NewId())
    name = models.CharField(max_length=255)
    status = models.CharField(
        max_length=20,
        choices=MediaStatus,
        default=MediaStatus.UPLOADING,
        db_default=MediaStatus.UPLOADING,
    )
    mime_type = models.CharField(max_length=100, blank=True, default="", db_default="")
    file_size_bytes = models.BigIntegerField(
        null=True,
        blank=True,
        help_text="The declared size before the upload, the measured size after it.",
    )
    upload_id = models.TextField(
        blank=True, default="", db_default="", help_text="The storage's id of an upload in parts."
    )
    upload_part_bytes = models.BigIntegerField(null=True, blank=True)
    check_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="When the row is due: for its message, or because its worker is lost.",
    )
    check_claim = models.UUIDField(
        null=True, blank=True, help_text="The token of the worker that checks the upload."
    )
    check_tries = models.SmallIntegerField(default=0, db_default=0)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.name

    @property
    def object_key(self) -> str:
        return str(getattr(self, self.KEY))

    def object_keys(self) -> list[str]:
        """Return the keys of all objects that are deleted with the row."""
        return [self.object_key]

    @property
    def refusal(self) -> InputRefusedError | None:
        """The reason of the rejection, or None."""
        return (
            InputRefusedError(*self._read_rejection())
            if self.status == MediaStatus.REJECTED
            else None
        )

    def _read_rejection(self) -> tuple[str | None, str | None]:
        raise NotImplementedError

    @staticmethod
    def refused(refusal: InputRefusedError) -> dict[str, Any]:
        """Return the columns that state the reason of a rejection, with their values."""
        raise NotImplementedError


def _build_indexes(table: str) -> list[models.Index]:
    return [
        models.Index(fields=["user", "-created_at", "-id"], name=f"{table}_of_user"),
        models.Index(
            fields=["created_at"],
            condition=Q(status=MediaStatus.UPLOADING),
            name=f"{table}_unconfirmed",
        ),
        models.Index(
            fields=["check_at"],
            condition=Q(status=MediaStatus.CHECKING),
            name=f"{table}_to_check",
        ),
    ]


def _build_constraints(table: str) -> list[models.BaseConstraint]:
    return [
        models.CheckConstraint(
            condition=Q(status__in=MediaStatus.values), name=f"{table}_status_known"
        ),
        models.CheckConstraint(
            condition=Q(status=MediaStatus.CHECKING, check_at__isnull=False)
            | (~Q(status=MediaStatus.CHECKING) & Q(check_at__isnull=True)),
            name=f"{table}_check_is_due_or_over",
        ),
    ]


class MediaFile(Upload):
    """A media file of a user, in a project or, for some results, in none."""

    KEY = "r2_key"
    ENDED: ClassVar = {"upload_id": "", "upload_part_bytes": None}

    project = models.ForeignKey(
        "projects.Project",
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        db_index=False,
        related_name="media_files",
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        db_index=False,
        related_name="media_files",
    )
    type = models.CharField(max_length=50, choices=MediaType)
    duration_ms = models.IntegerField(null=True, blank=True)
    r2_key = models.TextField(unique=True, help_text="The object's key.")
    r2_url = models.TextField(help_text="The unsigned URL of the object.")
    thumbnail_r2_key = models.TextField(null=True, blank=True)
    sprite_r2_key = models.TextField(null=True, blank=True)
    peaks_r2_key = models.TextField(null=True, blank=True)
    sprite = models.JSONField(null=True, blank=True, help_text="The layout of the sprite's tiles.")
    derivation_status = models.CharField(
        max_length=20,
        choices=DerivationStatus,
        default=DerivationStatus.WAITING,
        db_default=DerivationStatus.WAITING,
    )
    derivation_progress = models.FloatField(default=0.0, db_default=0.0)
    derivation_tries = models.SmallIntegerField(default=0, db_default=0)
    derivation_claim = models.UUIDField(
        null=True, blank=True, help_text="The token of the worker that makes the derivatives."
    )
    derive_at = models.DateTimeField(
        null=True,
        blank=True,
        db_default=Now(),
        help_text="When the row is due: for its message, or because its worker is lost.",
    )
    metadata = models.JSONField(
        default=dict,
        blank=True,
        help_text="The probed properties: width, height, codecs and others.",
    )
    origin = models.JSONField(
        null=True,
        blank=True,
        editable=False,
        help_text="How a job made the media: job, feature, engine, and the media that it used.",
    )

    class Meta:
        db_table = "media_files"
        verbose_name = "media file"
        indexes: ClassVar = [
            *_build_indexes("media_files"),
            models.Index(
                fields=["project", "-created_at", "-id"],
                condition=Q(project__isnull=False),
                name="media_files_in_project",
            ),
            models.Index(
                fields=["project", "created_at", "id"],
                condition=Q(project__isnull=False, thumbnail_r2_key__isnull=False),
                name="media_files_with_thumbnail",
            ),
            models.Index("user", Lower("name"), "id", name="media_files_of_user_by_name"),
            models.Index(
                fields=["user", "type", "-created_at", "-id"], name="media_files_of_user_by_type"
            ),
            models.Index(
                fields=["user", "status", "-created_at", "-id"],
                condition=~Q(status=MediaStatus.READY),
                name="media_files_not_ready",
            ),
            models.Index(
                fields=["user"],
                include=["status", "file_size_bytes", "id"],
                condition=~Q(status=MediaStatus.REJECTED),
                name="media_files_counted",
            ),
            models.Index(TimeAtUtc("created_at").desc(), name="media_files_lately"),
            models.Index(
                fields=["derive_at"],
                condition=Q(status=MediaStatus.READY, derive_at__isnull=False),
                name="media_files_to_derive",
            ),
        ]
        constraints: ClassVar = [
            *_build_constraints("media_files"),
            models.CheckConstraint(
                condition=Q(type__in=MediaType.values), name="media_files_type_known"
            ),
            models.CheckConstraint(
                condition=Q(
                    derivation_status__in=[DerivationStatus.WAITING, DerivationStatus.WORKING],
                    derive_at__isnull=False,
                )
                | Q(
                    derivation_status__in=[DerivationStatus.DONE, DerivationStatus.FAILED],
                    derive_at__isnull=True,
                ),
                name="media_files_derivation_is_due_or_over",
            ),
        ]

    def derived_keys(self) -> dict[str, str]:
        """Return the keys of the derivatives by column, whether they exist or not."""
        folder = f"users/{self.user_id}/media/{self.pk}"
        return {
            "thumbnail_r2_key": f"{folder}/thumbnail.jpg",
            "sprite_r2_key": f"{folder}/sprite.jpg",
            "peaks_r2_key": f"{folder}/peaks.json",
        }

    def object_keys(self) -> list[str]:
        """Return the keys of the file and of its derivatives."""
        stored = {getattr(self, column) for column in self.derived_keys()} - {None, ""}
        # A worker may have written derivatives that the row does not name yet.
        attempted = self.derived_keys().values() if self.derivation_tries else ()
        return [self.object_key, *sorted(stored.union(attempted))]

    def _read_rejection(self) -> tuple[str | None, str | None]:
        return self.metadata.get("rejected"), self.metadata.get("detail")

    @staticmethod
    def refused(refusal: InputRefusedError) -> dict[str, Any]:
        return {"metadata": {"rejected": refusal.code, "detail": refusal.detail}}


class ImportStatus(models.TextChoices):
    """The state of the transfer; the media's status states if the file was accepted."""

    WAITING = "waiting", "Waiting"
    FETCHING = "fetching", "Fetching"
    DONE = "done", "Done"
    FAILED = "failed", "Failed"


OPEN_IMPORTS = (ImportStatus.WAITING, ImportStatus.FETCHING)


class MediaImport(models.Model):
    """The import of a media file by URL, and its progress."""

    media = models.OneToOneField(
        MediaFile,
        on_delete=models.CASCADE,
        primary_key=True,
        db_column="id",
        related_name="url_import",
    )
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    source = models.TextField(help_text="The URL without its query, which may hold secrets.")
    url = models.BinaryField(
        null=True, help_text="The complete URL, encrypted, until the import is over."
    )
    status = models.CharField(max_length=20, choices=ImportStatus, default=ImportStatus.WAITING)
    holder = models.CharField(max_length=255, null=True)
    due_at = models.DateTimeField(
        null=True,
        help_text="When the row is due: for its message, or because its worker is lost.",
    )
    tries = models.SmallIntegerField(default=0)
    received_bytes = models.BigIntegerField(default=0)
    validator = models.TextField(
        default="", help_text="The server's validator of this version, if it can send parts of it."
    )
    error_code = models.CharField(
        max_length=50, null=True, help_text="The reason why the last try failed."
    )
    error_detail = models.TextField(null=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        db_table = "media_imports"
        indexes: ClassVar = [
            models.Index(
                fields=["due_at"], condition=Q(due_at__isnull=False), name="media_imports_due"
            ),
        ]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(status__in=OPEN_IMPORTS, due_at__isnull=False, url__isnull=False)
                | Q(
                    status__in=[ImportStatus.DONE, ImportStatus.FAILED],
                    due_at=None,
                    holder=None,
                    url=None,
                ),
                name="media_imports_over_without_url",
            ),
        ]

    def __str__(self) -> str:
        return self.source

    @property
    def is_open(self) -> bool:
        """True until the import has succeeded or failed."""
        return self.status in OPEN_IMPORTS

    @property
    def error(self) -> InputRefusedError | None:
        """The reason why the last try failed, if there will be another."""
        if self.error_code is None or not self.is_open:
            return None
        return InputRefusedError(self.error_code, self.error_detail)

    @property
    def progress(self) -> float | None:
        """The received share, 0 to 1; None if the size of the file is unknown."""
        size = self.media.file_size_bytes
        if self.status == ImportStatus.DONE:
            return 1.0
        if size is None:
            return None if self.received_bytes else 0.0
        return min(1.0, self.received_bytes / size)


class StorageWalk(models.Model):
    """The single row with the position of the walk that deletes orphans."""

    ONLY = 1

    id = models.SmallIntegerField(primary_key=True, default=ONLY)
    after = models.TextField(
        blank=True, default="", help_text="The last key that was examined; empty at the start."
    )
    next_at = models.DateTimeField(db_default=Now(), help_text="When the next part is due.")

    class Meta:
        db_table = "storage_walks"
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(id=1), name="storage_walks_one"),
        ]

    def __str__(self) -> str:
        return self.after


class VoiceClone(Upload):
    """A voice: a sample to generate speech with, and the consent of its speaker."""

    KEY = "sample_r2_key"

    # Samples are small, so none is uploaded in parts.
    upload_id = None  # type: ignore[assignment]
    upload_part_bytes = None
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="voice_clones"
    )
    rejection = models.CharField(
        max_length=50,
        blank=True,
        default="",
        db_default="",
        help_text="The reason why the sample was refused.",
    )
    rejection_detail = models.TextField(blank=True, default="", db_default="")
    filename = models.CharField(max_length=255, blank=True, default="", db_default="")
    sample_r2_key = models.TextField(unique=True)
    sample_duration_ms = models.IntegerField(null=True, blank=True)
    speech_duration_ms = models.IntegerField(
        null=True, blank=True, help_text="The duration of speech in the sample."
    )
    consent_statement = models.TextField(
        blank=True, default="", db_default="", help_text="The text that the person has agreed to."
    )
    consent_version = models.CharField(
        max_length=20,
        blank=True,
        default="",
        db_default="",
        help_text="The version of our statement; empty if the client showed another text.",
    )
    consented_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "voice_clones"
        indexes: ClassVar = _build_indexes("voice_clones")
        constraints: ClassVar = [
            *_build_constraints("voice_clones"),
            models.CheckConstraint(
                condition=~Q(status=MediaStatus.READY)
                | (Q(consented_at__isnull=False) & ~Q(consent_statement="")),
                name="voice_clones_ready_with_consent",
            ),
        ]

    def _read_rejection(self) -> tuple[str | None, str | None]:
        return self.rejection, self.rejection_detail

    @staticmethod
    def refused(refusal: InputRefusedError) -> dict[str, Any]:
        return {"rejection": refusal.code, "rejection_detail": refusal.detail}
