"""A project's row; its timeline lies in MongoDB (`projects.edl`)."""

import uuid
from decimal import Decimal
from typing import ClassVar

from django.conf import settings
from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models.functions import Now


class Project(models.Model):
    """What a user edits; ``resolution`` and ``frame_rate`` are the truth for the EDL's settings."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, db_default=RandomUUID())
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="projects"
    )
    name = models.CharField(max_length=255)
    description = models.TextField(blank=True, default="", db_default="")
    resolution = models.CharField(max_length=20, default="1920x1080", db_default="1920x1080")
    frame_rate = models.DecimalField(
        max_digits=5, decimal_places=2, default=Decimal(30), db_default=Decimal(30)
    )
    edl_id = models.CharField(
        max_length=255, null=True, blank=True, help_text="The MongoDB document's id."
    )
    thumbnail_url = models.TextField(blank=True, default="", db_default="")
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(auto_now=True, db_default=Now())

    class Meta:
        db_table = "projects"
        indexes: ClassVar = [
            models.Index(fields=["user", "-created_at", "-id"], name="projects_of_user"),
        ]

    def __str__(self) -> str:
        return self.name


class RenderFolder(models.Model):
    """Where renders of a project keep what they have in common, until it is swept.

    The project is named and not referred to: what it leaves behind must still be found.
    """

    project_id = models.UUIDField(primary_key=True)
    user_id = models.UUIDField()
    plans = models.IntegerField(
        default=0, db_default=0, help_text="How many timelines were put there since it was swept."
    )
    sweep_at = models.DateTimeField(db_index=True)

    class Meta:
        db_table = "render_folders"
        indexes: ClassVar = [models.Index(fields=["user_id"], name="render_folders_of_user")]

    def __str__(self) -> str:
        return str(self.project_id)
