"""What the project endpoints take and answer.

EDLs and transcripts are answered as they are stored; their classes here describe them to clients.
"""

import re
from decimal import Decimal
from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from projects.models import Project

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
        """The same string, if its two numbers can be a video's."""
        value: str = super().to_internal_value(data)
        match = RESOLUTION.fullmatch(value)
        sides = [int(side) for side in match.groups()] if match else []
        fits = all(MIN_SIDE_PIXELS <= side <= MAX_SIDE_PIXELS for side in sides)
        if not sides or not fits:
            self.fail("resolution_invalid")
        return value


class ProjectFieldsSerializer(serializers.Serializer[Any]):
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


class ProjectSerializer(serializers.ModelSerializer[Project]):
    """A project without its EDL."""

    frame_rate = serializers.FloatField(read_only=True)

    class Meta:
        model = Project
        fields: ClassVar[tuple[str, ...]] = (
            "id", "name", "description", "resolution", "frame_rate", "thumbnail_url",
            "created_at", "updated_at",
        )  # fmt: skip
        read_only_fields: ClassVar[tuple[str, ...]] = fields


class EdlResolutionSerializer(serializers.Serializer[Any]):
    """Pixels."""

    width = serializers.IntegerField()
    height = serializers.IntegerField()


class EdlSettingsSerializer(serializers.Serializer[Any]):
    """Resolution and frame rate are the project's."""

    resolution = EdlResolutionSerializer()
    frame_rate = serializers.FloatField()
    duration_ms = serializers.IntegerField()


class OriginSerializer(serializers.Serializer[Any]):
    """A clip before any of it was deleted."""

    id = serializers.CharField()
    duration_ms = serializers.IntegerField()
    in_point_ms = serializers.IntegerField()
    out_point_ms = serializers.IntegerField()
    effects = serializers.ListField(
        child=serializers.DictField(),
        required=False,
        help_text="There where the deleted part has not all of them.",
    )


class CutSerializer(serializers.Serializer[Any]):
    """How a clip was deleted, and what it was cut from; for us to restore it by, and read only."""

    mode = serializers.ChoiceField(
        choices=["gap", "ripple"], help_text="Whether the gap was left, or closed on its track."
    )
    segment_id = serializers.CharField(
        allow_null=True, help_text="The segment of the transcript that it was cut out for."
    )
    start_ms = serializers.IntegerField(
        required=False, help_text="Where it would begin had no ripple closed anything on its track."
    )
    origin = OriginSerializer(required=False)
    in_point_ms = serializers.IntegerField(
        required=False,
        help_text="Where what was deleted begins, if more of the clip went with it: what remained "
        "was shorter than its cross-fade.",
    )
    out_point_ms = serializers.IntegerField(required=False, help_text="Where that ends.")
    lead_ms = serializers.IntegerField(
        required=False, help_text="How far behind its start its track was closed; 0 if absent."
    )
    closed_ms = serializers.IntegerField(
        required=False, help_text="By how much `ripple` has closed its track."
    )


class ClipSerializer(serializers.Serializer[Any]):
    """A stretch of a media file on the timeline."""

    id = serializers.CharField()
    media_file_id = serializers.UUIDField()
    track_id = serializers.CharField()
    start_ms = serializers.IntegerField(help_text="Position on the timeline.")
    duration_ms = serializers.IntegerField(help_text="Length on the timeline.")
    in_point_ms = serializers.IntegerField(help_text="Where it begins in the source.")
    out_point_ms = serializers.IntegerField(help_text="Where it ends in the source.")
    effects = serializers.ListField(
        child=serializers.DictField(),
        help_text="As edits take them; those written before names were checked stand as they are.",
    )
    deleted = serializers.BooleanField()
    cut = CutSerializer(required=False)
    offline = serializers.BooleanField(
        required=False, help_text="There, and true, where its media file has been deleted."
    )


class TrackSerializer(serializers.Serializer[Any]):
    """Clips that lie one behind the other in time; they are listed in no order."""

    id = serializers.CharField()
    type = serializers.ChoiceField(choices=["video", "audio"])
    name = serializers.CharField()
    clips = ClipSerializer(many=True)


class WordSerializer(serializers.Serializer[Any]):
    """One spoken word; times are the source media's."""

    word = serializers.CharField()
    start_ms = serializers.IntegerField()
    end_ms = serializers.IntegerField()
    confidence = serializers.FloatField()
    edited_word = serializers.CharField(required=False, help_text="What is shown instead.")
    deleted = serializers.BooleanField(required=False, help_text="True on deleted words.")


class SegmentSerializer(serializers.Serializer[Any]):
    """What one speaker said without a pause; times are the source media's."""

    id = serializers.CharField()
    media_file_id = serializers.UUIDField()
    speaker = serializers.CharField()
    start_ms = serializers.IntegerField()
    end_ms = serializers.IntegerField()
    text = serializers.CharField()
    words = WordSerializer(many=True)
    deleted = serializers.BooleanField()
    edited_text = serializers.CharField(allow_null=True)


class TranscriptSerializer(serializers.Serializer[Any]):
    """What is said in the project's media."""

    generated_at = serializers.DateTimeField(allow_null=True)
    segments = SegmentSerializer(many=True)


class EdlSerializer(serializers.Serializer[Any]):
    """A project's edit decision list."""

    project_id = serializers.UUIDField()
    version = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    settings = EdlSettingsSerializer()
    tracks = TrackSerializer(many=True)
    transcript = TranscriptSerializer()
    undo_depth = serializers.IntegerField(help_text="How many edits can be undone.")
    redo_depth = serializers.IntegerField(help_text="How many undone edits can be redone.")


class JsonPatchOperationSerializer(serializers.Serializer[Any]):
    """One operation of a JSON Patch, RFC 6902."""

    op = serializers.ChoiceField(choices=["add", "remove", "replace", "move", "copy", "test"])
    path = serializers.CharField(help_text="Below `/tracks` or `/transcript/segments`.")
    value = serializers.JSONField(required=False)

    def get_fields(self) -> dict[str, Any]:
        """With `from`, which is no name for an attribute."""
        return super().get_fields() | {"from": serializers.CharField(required=False)}


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


class ProjectDetailSerializer(ProjectSerializer):
    """A project with its EDL."""

    edl = EdlSerializer()

    class Meta(ProjectSerializer.Meta):
        fields: ClassVar[tuple[str, ...]] = (*ProjectSerializer.Meta.fields, "edl")
        read_only_fields: ClassVar[tuple[str, ...]] = fields
