"""Define the rows of projects; their timelines are in MongoDB (`projects.edl`)."""

from decimal import Decimal
from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models.functions import Lower, Now

from auteur.core.database.keys import NewId, new_id
from auteur.core.database.ordering import TimeAtUtc


class Projects(models.Manager["Project"]):
    """The projects that are not being deleted."""

    def get_queryset(self) -> models.QuerySet["Project"]:
        return super().get_queryset().filter(deleted_at=None)


class ChangedAtField(models.DateTimeField):
    """The time of the last save by the database's clock, like `created_at`."""

    def deconstruct(self) -> Any:
        name, _, args, options = super().deconstruct()
        return name, "django.db.models.DateTimeField", args, options

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        return Now()


class Project(models.Model):
    """A user's project; its ``resolution`` and ``frame_rate`` are copied to the EDL's settings.

    A project that is being deleted has no owner for callers; its row is deleted last
    (`projects.deletion`).
    """

    id = models.UUIDField(primary_key=True, default=new_id, db_default=NewId())
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, db_index=False, related_name="projects"
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
    edl_version = models.BigIntegerField(
        null=True,
        editable=False,
        help_text="A version that the document has reached.",
    )
    thumbnail_url = models.TextField(blank=True, default="", db_default="")
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = ChangedAtField(auto_now=True, db_default=Now())
    deleted_at = models.DateTimeField(null=True, editable=False)

    thumbnail_r2_key: str | None = None
    """Set in the rows of `projects.project_pictures.annotate_thumbnails`."""

    objects = Projects()
    with_deleted = models.Manager["Project"]()

    class Meta:
        db_table = "projects"
        indexes: ClassVar = [
            models.Index(fields=["user", "-created_at", "-id"], name="projects_of_user"),
            models.Index(fields=["user", "-updated_at", "-id"], name="projects_of_user_by_change"),
            models.Index("user", Lower("name"), "id", name="projects_of_user_by_name"),
            models.Index(
                fields=["deleted_at"],
                condition=models.Q(deleted_at__isnull=False),
                name="projects_to_remove",
            ),
            models.Index(TimeAtUtc("created_at").desc(), name="projects_lately"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def had_timeline(self) -> bool:
        """Return True if MongoDB has held a document of this project."""
        return self.edl_id is not None or self.edl_version is not None


class RenderFolder(models.Model):
    """The folder of timelines and segments that a project's renders share, until it is swept.

    There is no foreign key to the project, because its objects must be found after its deletion.
    """

    project_id = models.UUIDField(primary_key=True)
    user_id = models.UUIDField()
    plans = models.IntegerField(
        default=0, db_default=0, help_text="The number of timelines stored since the last sweep."
    )
    sweep_at = models.DateTimeField(db_index=True)

    class Meta:
        db_table = "render_folders"
        indexes: ClassVar = [models.Index(fields=["user_id"], name="render_folders_of_user")]

    def __str__(self) -> str:
        return str(self.project_id)
