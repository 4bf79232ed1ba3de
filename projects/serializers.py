"""Define the requests and responses of the project endpoints.

EDLs and transcripts are returned in their stored form, which `projects.timeline.shape` describes.
"""

import re
from decimal import Decimal
from typing import Any, ClassVar, cast

from django.db.models.functions import Lower
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from auteur.core.api.filters import ListFilter
from auteur.core.api.secret_fields import SecretMethodField
from auteur.core.api.unknown_fields import RequestSerializer
from media.storage import object_storage
from projects.documents import MAX_UNDO_DEPTH
from projects.models import Project
from projects.timeline.shape import Edl

AUTHORS = ("user", "api_key")

MAX_NAME_LENGTH = 255
MAX_DESCRIPTION_LENGTH = 5000
MIN_SIDE_PIXELS = 16
MAX_SIDE_PIXELS = 8192
MIN_FRAME_RATE = Decimal(1)
MAX_FRAME_RATE = Decimal(120)

SIDE = "[1-9][0-9]{0,2}[02468]"
RESOLUTION = re.compile(f"^({SIDE})x({SIDE})$")


@extend_schema_field({"type": "string", "pattern": RESOLUTION.pattern})
class ResolutionField(serializers.CharField):
    """``WIDTHxHEIGHT`` in pixels; even, as the usual video codecs need them."""

    default_error_messages: ClassVar = {
        "resolution_invalid": "Give width and height in pixels as even numbers from "
        f"{MIN_SIDE_PIXELS} to {MAX_SIDE_PIXELS}, such as 1920x1080.",
    }

    def to_internal_value(self, data: Any) -> str:
        """Return the same string if a video can have this width and height."""
        value: str = super().to_internal_value(data)
        match = RESOLUTION.fullmatch(value)
        sides = [int(side) for side in match.groups()] if match else []
        fits = all(MIN_SIDE_PIXELS <= side <= MAX_SIDE_PIXELS for side in sides)
        if not sides or not fits:
            self.fail("resolution_invalid")
        return value


class ProjectFieldsSerializer(RequestSerializer):
    """The fields of a project. Missing optional fields keep their values."""

    name = serializers.CharField(max_length=MAX_NAME_LENGTH)
    description = serializers.CharField(
        max_length=MAX_DESCRIPTION_LENGTH, required=False, allow_blank=True
    )
    resolution = ResolutionField(
        required=False, help_text="Width and height in pixels. `1920x1080` if it was never set."
    )
    frame_rate = serializers.DecimalField(
        max_digits=5,
        decimal_places=2,
        min_value=MIN_FRAME_RATE,
        max_value=MAX_FRAME_RATE,
        required=False,
        help_text="Frames per second. `30` if it was never set.",
    )


class ProjectFilter(ListFilter):
    """The filters and orders of `GET /projects`."""

    SEARCHED = "name"
    SORTS: ClassVar = {
        "created_at": "created_at",
        "updated_at": "updated_at",
        "name": Lower("name"),
    }


class ProjectSerializer(serializers.ModelSerializer[Project]):
    """A project without its EDL."""

    frame_rate = serializers.FloatField(read_only=True)
    thumbnail_url = SecretMethodField(
        help_text="A JPEG of the first film or picture in the project. Null until there is one."
    )

    class Meta:
        model = Project
        fields: ClassVar[tuple[str, ...]] = (
            "id",
            "name",
            "description",
            "resolution",
            "frame_rate",
            "thumbnail_url",
            "created_at",
            "updated_at",
        )
        read_only_fields: ClassVar[tuple[str, ...]] = fields

    def get_thumbnail_url(self, project: Project) -> str | None:
        """Return a signed URL."""
        key = project.thumbnail_r2_key
        return object_storage().presigned_get(key) if key else None


class JsonPatchOperationSerializer(serializers.Serializer[Any]):
    """One operation of a JSON Patch (RFC 6902)."""

    op = serializers.ChoiceField(choices=["add", "remove", "replace", "move", "copy", "test"])
    path = serializers.CharField(help_text="A path below `/tracks` or `/transcript/segments`.")
    value = serializers.JSONField(required=False)

    def get_fields(self) -> dict[str, Any]:
        """Return the fields with `from`, which cannot be the name of an attribute."""
        return super().get_fields() | {"from": serializers.CharField(required=False)}


class RemovedSerializer(serializers.Serializer[Any]):
    """The result of an operation that searches for words or pauses to cut."""

    op = serializers.CharField()
    count = serializers.IntegerField(help_text="The number of words or pauses that were cut.")
    cut_ms = serializers.IntegerField(
        help_text="The time that was cut from the timeline. Time that several tracks play counts "
        "once."
    )


class EditedSerializer(serializers.Serializer[Any]):
    """An EDL after an edit. An edit that changes nothing creates no version."""

    version = serializers.IntegerField()
    duration_ms = serializers.IntegerField(help_text="The duration of the timeline.")
    undo_depth = serializers.IntegerField(help_text="The number of edits that can be undone.")
    redo_depth = serializers.IntegerField(
        help_text="The number of undone edits that can be redone."
    )
    patch = JsonPatchOperationSerializer(
        many=True,
        help_text="The difference to the previous version, as a JSON Patch.",
    )
    removed = RemovedSerializer(
        many=True,
        required=False,
        help_text="The result of each operation that searches for words or pauses to cut, in "
        "order. Absent if there was no such operation.",
    )


class AuthorSerializer(serializers.Serializer[Any]):
    """The author of an edit."""

    type = serializers.ChoiceField(
        AUTHORS, help_text="`user` for a person, `api_key` for one of their API keys."
    )
    id = serializers.UUIDField(help_text="The id of the user or of the API key.")
    name = serializers.CharField(
        help_text="The current name of the user, or the name of the API key at the time of the "
        "edit. It may be empty."
    )


class AttributedSerializer(serializers.Serializer[Any]):
    """The author and the operations of an edit."""

    author = AuthorSerializer(
        allow_null=True, help_text="Null for edits made before authors were recorded."
    )
    operations = serializers.ListField(
        child=serializers.CharField(),
        allow_null=True,
        help_text="The names of the operations, each once: an `op`, `patch` for a JSON Patch, or "
        "`replace` for a replaced timeline. Null for edits made before operations were recorded.",
    )


class SteppedSerializer(EditedSerializer, AttributedSerializer):
    """An EDL after an undo or redo, and the author of the edit that was undone or redone."""


class HistoryStepSerializer(AttributedSerializer):
    """An edit that can be undone or redone."""

    depth = serializers.IntegerField(
        help_text="The number of undos or redos that reach the edit, from 1."
    )
    made_at = serializers.DateTimeField(
        help_text="The time of the edit. Undo and redo do not change it."
    )


class HistorySerializer(serializers.Serializer[Any]):
    """The edits of an EDL that can be undone and redone."""

    version = serializers.IntegerField(
        help_text="The version of the EDL, for `If-Match` of an undo or redo."
    )
    undo = HistoryStepSerializer(
        many=True, help_text=f"At most {MAX_UNDO_DEPTH} edits, newest first."
    )
    redo = HistoryStepSerializer(
        many=True, help_text=f"At most {MAX_UNDO_DEPTH} edits, the last undone first."
    )


class CaptionWordSerializer(serializers.Serializer[Any]):
    """A word of the captions JSON for other players. Times are in seconds."""

    text = serializers.CharField()
    start = serializers.FloatField()
    end = serializers.FloatField()


class CaptionWordsSerializer(serializers.Serializer[Any]):
    """The captions JSON."""

    duration = serializers.FloatField(help_text="The end of the last word, in seconds.")
    language = serializers.CharField(
        help_text="A code of ISO 639. `mul` if the words have several languages, `und` if the "
        "language of any is unknown."
    )
    words = CaptionWordSerializer(many=True)


@extend_schema_field(cast(Any, Edl))
class EdlField(serializers.JSONField):
    """An EDL in its stored form."""


class ProjectDetailSerializer(ProjectSerializer):
    """A project with its EDL."""

    edl = EdlField()

    class Meta(ProjectSerializer.Meta):
        fields: ClassVar[tuple[str, ...]] = (*ProjectSerializer.Meta.fields, "edl")
        read_only_fields: ClassVar[tuple[str, ...]] = fields
