"""The edit decision list (EDL) as MongoDB holds it: its shape, its bounds, its indexes.

The classes say what a stored document looks like and check one. Hot paths read projections and
write targeted updates through the collection instead: building 20,000 words as objects takes most
of a second. All ids of rows are plain strings here.

MongoDB refuses documents over 16 MiB, so every part that can grow has a bound of its own; together
they leave the tracks a megabyte.
"""

from typing import ClassVar

from mongoengine import (
    BooleanField,
    DateTimeField,
    DictField,
    Document,
    EmbeddedDocument,
    EmbeddedDocumentField,
    EmbeddedDocumentListField,
    FloatField,
    IntField,
    ListField,
    LongField,
    StringField,
)

ALIAS = "edl"

MAX_TRANSCRIPT_BYTES = 4 * 1024**2
"""About 45,000 words, five hours of speech."""
MAX_STACK_BYTES = 5 * 1024**2
"""Of each of the two stacks; more than any one part, so that every edit can be undone."""
MAX_UNDO_DEPTH = 100
MAX_APPLIED_JOBS = 500


class Resolution(EmbeddedDocument):
    """Pixels."""

    width = IntField(required=True, min_value=1)
    height = IntField(required=True, min_value=1)


class Settings(EmbeddedDocument):
    """What the project's row says, and how long the timeline is."""

    resolution = EmbeddedDocumentField(Resolution, required=True)
    frame_rate = FloatField(required=True, min_value=1)
    duration_ms = LongField(required=True, default=0, min_value=0)


class Clip(EmbeddedDocument):
    """A stretch of a media file on the timeline."""

    id = StringField(required=True)
    media_file_id = StringField(required=True)
    track_id = StringField(required=True)
    start_ms = LongField(required=True, min_value=0)
    duration_ms = LongField(required=True, min_value=0)
    in_point_ms = LongField(required=True, min_value=0)
    out_point_ms = LongField(required=True, min_value=0)
    effects = ListField(DictField())
    deleted = BooleanField(required=True, default=False)


class Track(EmbeddedDocument):
    """Clips that lie one behind the other."""

    id = StringField(required=True)
    type = StringField(required=True, choices=("video", "audio"))
    name = StringField(required=True)
    clips = EmbeddedDocumentListField(Clip)


class Word(EmbeddedDocument):
    """One spoken word; times are the source media's."""

    word = StringField(required=True)
    start_ms = LongField(required=True, min_value=0)
    end_ms = LongField(required=True, min_value=0)
    confidence = FloatField(required=True, min_value=0, max_value=1)


class Segment(EmbeddedDocument):
    """What one speaker said without a pause; times are the source media's."""

    id = StringField(required=True)
    media_file_id = StringField(required=True)
    speaker = StringField(required=True)
    start_ms = LongField(required=True, min_value=0)
    end_ms = LongField(required=True, min_value=0)
    text = StringField(required=True)
    words = EmbeddedDocumentListField(Word)
    deleted = BooleanField(required=True, default=False)
    edited_text = StringField(null=True)


class Transcript(EmbeddedDocument):
    """What is said in the project's media; each media's segments lie together."""

    generated_at = DateTimeField(null=True)
    segments = EmbeddedDocumentListField(Segment)


class Step(EmbeddedDocument):
    """One entry of the undo or redo stack: the edit that takes the document back."""

    edit = DictField(required=True)
    bytes = IntField(required=True, min_value=0)
    created_at = DateTimeField(required=True)


class EditDecisionList(Document):
    """One project's timeline, transcript and edit history."""

    project_id = StringField(required=True)
    user_id = StringField(required=True)
    version = IntField(required=True, default=1, min_value=1)
    created_at = DateTimeField(required=True)
    updated_at = DateTimeField(required=True)
    settings = EmbeddedDocumentField(Settings, required=True)
    tracks = EmbeddedDocumentListField(Track)
    transcript = EmbeddedDocumentField(Transcript, required=True, default=Transcript)
    undo_stack = EmbeddedDocumentListField(Step)
    redo_stack = EmbeddedDocumentListField(Step)
    applied_jobs = ListField(StringField())

    meta: ClassVar = {
        "db_alias": ALIAS,
        "collection": "edit_decision_lists",
        "auto_create_index": False,  # `connection` makes them, when the server is there
        "indexes": [
            {"fields": ["project_id"], "unique": True},
            {"fields": ["project_id", "user_id"]},
        ],
    }
