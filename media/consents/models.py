"""Store consents, and the objects that were removed because one was revoked."""

import uuid
from typing import ClassVar

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from auteur.core.database.keys import new_id

MAX_SUBJECT_LENGTH = 255


class ConsentKind(models.TextChoices):
    """The feature of a person that a consent covers."""

    VOICE = "voice", "Voice"
    FACE = "face", "Face"


class ConsentStatus(models.TextChoices):
    """The state of a consent: `revoked` until a worker begins the removal, or after it died."""

    ACTIVE = "given", "Given"
    REVOKED = "revoked", "Revoked"
    REMOVING = "removing", "Removing"
    REMOVED = "removed", "Removed"


class Consent(models.Model):
    """A person's agreement that their voice or face is used, in some media or a voice's sample.

    Media and voice are ids, not foreign keys: the consent outlives them, and can still be revoked
    for what was made of them.
    """

    id = models.UUIDField(primary_key=True, default=new_id)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="consents"
    )
    kind = models.CharField(max_length=10, choices=ConsentKind)
    subject = models.CharField(
        max_length=MAX_SUBJECT_LENGTH, help_text="The person who has given the consent."
    )
    statement = models.TextField(help_text="The text that the person has agreed to.")
    statement_version = models.CharField(
        max_length=20,
        blank=True,
        default="",
        help_text="The version of our statement; empty if the client showed another text.",
    )
    media_ids = ArrayField(models.UUIDField(), default=list, blank=True)
    voice_id = models.UUIDField(null=True, blank=True)
    status = models.CharField(
        max_length=10, choices=ConsentStatus, default=ConsentStatus.ACTIVE, db_default="given"
    )
    given_at = models.DateTimeField(db_default=Now())
    revoked_at = models.DateTimeField(null=True, blank=True)
    revoked_by = models.CharField(max_length=50, blank=True, default="", db_default="")
    finished_at = models.DateTimeField(
        null=True, blank=True, help_text="The time at which all known objects were removed."
    )
    holder = models.CharField(max_length=255, null=True, blank=True)
    due_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="When the row is due: for its message, or because its worker is lost.",
    )
    tries = models.IntegerField(default=0, db_default=0)

    class Meta:
        db_table = "consents"
        indexes: ClassVar = [
            models.Index(fields=["user", "-given_at", "-id"], name="consents_of_user"),
            models.Index(fields=["due_at"], condition=Q(due_at__isnull=False), name="consents_due"),
        ]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(status=ConsentStatus.ACTIVE, revoked_at=None, due_at=None)
                | Q(
                    status__in=[ConsentStatus.REVOKED, ConsentStatus.REMOVING],
                    revoked_at__isnull=False,
                    due_at__isnull=False,
                )
                | Q(
                    status=ConsentStatus.REMOVED,
                    revoked_at__isnull=False,
                    finished_at__isnull=False,
                    due_at=None,
                ),
                name="consents_revoked_are_followed",
            ),
            models.CheckConstraint(
                condition=~Q(media_ids=[]) | Q(voice_id__isnull=False),
                name="consents_cover_something",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} of {self.subject}"

    @property
    def covered(self) -> set[uuid.UUID]:
        """The ids of the media and the voice that the consent covers."""
        return {*self.media_ids, *([self.voice_id] if self.voice_id else [])}


class RemovedKind(models.TextChoices):
    """The kind of a removed object; its ``object_id`` is of the media, voice, job or export."""

    MEDIA = "media", "Media file"
    DERIVATIVE = "derivative", "Derivative of a media file"
    VOICE = "voice", "Sample of a voice"
    OUTPUT = "output", "Output of a job"
    SEGMENT = "segment", "Segment of a render"
    EXPORT = "export", "Export of the account"


class Removal(models.Model):
    """One object of a receipt. The row is written before the object is removed."""

    id = models.UUIDField(primary_key=True, default=new_id)
    consent = models.ForeignKey(
        Consent, on_delete=models.CASCADE, db_index=False, related_name="removals"
    )
    kind = models.CharField(max_length=10, choices=RemovedKind)
    object_id = models.UUIDField(db_index=True)
    key = models.TextField()
    size_bytes = models.BigIntegerField(null=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    removed_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "consent_removals"
        indexes: ClassVar = [
            models.Index(fields=["consent", "-created_at", "-id"], name="removals_of_consent"),
            models.Index(
                fields=["consent", "object_id"], condition=Q(removed_at=None), name="removals_left"
            ),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["consent", "key"], name="removals_name_once"),
        ]

    def __str__(self) -> str:
        return self.key
