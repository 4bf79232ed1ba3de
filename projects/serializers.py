"""Define the requests and responses of the project endpoints.

EDLs and transcripts are returned in their stored form, which `projects.timeline.content` describes.
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
        "resolution_invalid": "Give width and height in pixels, such as 1920x1080: even numbers "
        f"from {MIN_SIDE_PIXELS} to {MAX_SIDE_PIXELS}.",
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
    """A project as a client describes it; what is optional and absent keeps its value."""

    name = serializers.CharField(max_length=MAX_NAME_LENGTH)
    description = serializers.CharField(
        max_length=MAX_DESCRIPTION_LENGTH, required=False, allow_blank=True
    )
    resolution = ResolutionField(required=False, help_text="`1920x1080` if never given.")
    frame_rate = serializers.DecimalField(
        max_digits=5,
        decimal_places=2,
        min_value=MIN_FRAME_RATE,
        max_value=MAX_FRAME_RATE,
        required=False,
        help_text="Frames per second, `30` if never given.",
    )


class ProjectFilter(ListFilter):
    """What `GET /projects` can be narrowed and ordered by."""

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
        help_text="A JPEG of the first film or picture in the project; null until there is one."
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
    """One operation of a JSON Patch, RFC 6902."""

    op = serializers.ChoiceField(choices=["add", "remove", "replace", "move", "copy", "test"])
    path = serializers.CharField(help_text="Below `/tracks` or `/transcript/segments`.")
    value = serializers.JSONField(required=False)

    def get_fields(self) -> dict[str, Any]:
        """Return the fields with `from`, which cannot be the name of an attribute."""
        return super().get_fields() | {"from": serializers.CharField(required=False)}


class RemovedSerializer(serializers.Serializer[Any]):
    """What an operation has found and cut."""

    op = serializers.CharField()
    count = serializers.IntegerField(help_text="How many words, or pauses.")
    cut_ms = serializers.IntegerField(
        help_text="Their time on the timeline; what several tracks play counts once."
    )


class EditedSerializer(serializers.Serializer[Any]):
    """An EDL after an edit. An edit that changes nothing makes no version."""

    version = serializers.IntegerField()
    duration_ms = serializers.IntegerField(help_text="How long the timeline is.")
    undo_depth = serializers.IntegerField(help_text="How many edits can be undone.")
    redo_depth = serializers.IntegerField(help_text="How many undone edits can be redone.")
    patch = JsonPatchOperationSerializer(
        many=True,
        help_text="What makes this version of the one before, as a JSON Patch.",
    )
    removed = RemovedSerializer(
        many=True,
        required=False,
        help_text="For each operation that looks for what to cut, in order; there if any was asked "
        "for.",
    )


class AuthorSerializer(serializers.Serializer[Any]):
    """Who made an edit."""

    type = serializers.ChoiceField(AUTHORS, help_text="A person, or an API key of theirs.")
    id = serializers.UUIDField(help_text="The user's, or the key's.")
    name = serializers.CharField(
        help_text="The user's, as it is now, or the key's, as it was then. It may be empty."
    )


class AttributedSerializer(serializers.Serializer[Any]):
    """Whose edit it is."""

    author = AuthorSerializer(allow_null=True, help_text="null of edits from before this was kept.")
    operations = serializers.ListField(
        child=serializers.CharField(),
        allow_null=True,
        help_text="What it was made by, each named once: an `op`, or `patch` for a JSON Patch and "
        "`replace` for another timeline in its place. null as for `author`.",
    )


class SteppedSerializer(EditedSerializer, AttributedSerializer):
    """An EDL after undo or redo, and whose edit that was about."""


class HistoryStepSerializer(AttributedSerializer):
    """An edit that can be undone, or redone."""

    depth = serializers.IntegerField(help_text="So many undos, or redos, reach it: from 1.")
    made_at = serializers.DateTimeField(
        help_text="When it was made; undone and redone, it keeps this."
    )


class HistorySerializer(serializers.Serializer[Any]):
    """The edits of an EDL that can be undone and redone."""

    version = serializers.IntegerField(help_text="Of the EDL; `If-Match` of an undo may name it.")
    undo = HistoryStepSerializer(
        many=True, help_text=f"The newest first, {MAX_UNDO_DEPTH} at most."
    )
    redo = HistoryStepSerializer(
        many=True, help_text=f"What was undone last first, {MAX_UNDO_DEPTH} at most."
    )


class CaptionWordSerializer(serializers.Serializer[Any]):
    """A word of the captions JSON, which players of others read: in seconds."""

    text = serializers.CharField()
    start = serializers.FloatField()
    end = serializers.FloatField()


class CaptionWordsSerializer(serializers.Serializer[Any]):
    """The captions JSON."""

    duration = serializers.FloatField(help_text="When the last word ends.")
    language = serializers.CharField(
        help_text="ISO 639; `mul` where the words have several, `und` where any has none."
    )
    words = CaptionWordSerializer(many=True)


@extend_schema_field(cast(Any, Edl))
class EdlField(serializers.JSONField):
    """An EDL, as it is."""


class ProjectDetailSerializer(ProjectSerializer):
    """A project with its EDL."""

    edl = EdlField()

    class Meta(ProjectSerializer.Meta):
        fields: ClassVar[tuple[str, ...]] = (*ProjectSerializer.Meta.fields, "edl")
        read_only_fields: ClassVar[tuple[str, ...]] = fields
