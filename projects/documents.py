"""The edit decision list (EDL) as MongoDB holds it: its shape, its bounds, its indexes.

The classes say what a stored document looks like and check one. Hot paths read projections and
write targeted updates through the collection instead: building 20,000 words as objects takes most
of a second. All ids of rows are plain strings here.

MongoDB refuses documents over 16 MiB, so every part that can grow has a bound of its own; together
they leave a quarter of a megabyte for everything else.
"""

from typing import ClassVar

import bson
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

from projects import bounds

ALIAS = "edl"

MAX_TRANSCRIPT_BYTES = 4 * 1024**2
"""About 45,000 words, five hours of speech."""
BLANK_TRANSCRIPT_BYTES = len(bson.encode({"generated_at": None, "segments": []}))
MAX_STACK_BYTES = 5 * 1024**2
"""Of each of the two stacks; more than any one part, so that every edit can be undone."""
MAX_UNDO_DEPTH = 100
MAX_APPLIED_JOBS = 500
MAX_TRACKS_BYTES = 7 * 1024**2 // 4
"""2,000 clips with ids of UUIDs take a third of it, or half if all are deleted; what is left is for
effects.
"""
MAX_TRACKS = bounds.MAX_TRACKS
MAX_CLIPS = bounds.MAX_CLIPS
MAX_EFFECTS = 16
"""Of one clip, each of another type."""
MAX_EFFECT_BYTES = 1024
MAX_TIME_MS = 100 * 3600 * 1000
MIN_CLIP_MS = 1
MAX_ID_LENGTH = 64
MAX_TRACK_NAME_LENGTH = 100
MAX_SPEAKER_LENGTH = 200
MAX_WORD_LENGTH = 200
MAX_SEGMENT_TEXT_LENGTH = 20_000
MAX_SEGMENTS = 20_000
"""The bytes of a transcript have room for no more, however short they are."""
MAX_SEGMENT_WORDS = 10_000
"""Of one segment: as many as its text can have."""
MAX_OPERATIONS = 500
"""In one request, JSON Patch or named."""
MAX_CUTS = 2 * MAX_CLIPS
"""How often the operations of one request cut a clip, or bring one back, together."""
MAX_CHOSEN_WORDS = 100_000
"""How many words they look at together: twice as many as a transcript has."""


class Resolution(EmbeddedDocument):
    """Pixels."""

    width = IntField(required=True, min_value=1)
    height = IntField(required=True, min_value=1)


class Settings(EmbeddedDocument):
    """What the project's row says, and how long the timeline is."""

    resolution = EmbeddedDocumentField(Resolution, required=True)
    frame_rate = FloatField(required=True, min_value=1)
    duration_ms = LongField(required=True, default=0, min_value=0)


class Origin(EmbeddedDocument):
    """A clip as it was before any of it was deleted.

    ``effects`` are there where the deleted part has not all of them.
    """

    id = StringField(required=True, max_length=MAX_ID_LENGTH)
    duration_ms = LongField(required=True, min_value=MIN_CLIP_MS, max_value=MAX_TIME_MS)
    in_point_ms = LongField(required=True, min_value=0, max_value=MAX_TIME_MS)
    out_point_ms = LongField(required=True, min_value=0, max_value=MAX_TIME_MS)
    effects = ListField(DictField(), default=None, max_length=MAX_EFFECTS)


class Cut(EmbeddedDocument):
    """How a clip was deleted, and what it was cut from (none in documents of old).

    ``start_ms``: where it would begin had nothing on its track been closed; ``in_point_ms`` and
    ``out_point_ms``: what was deleted, where more of the clip went with it; ``closed_ms``: how much
    a ripple has closed, ``lead_ms`` behind its start.
    """

    mode = StringField(required=True, choices=("gap", "ripple"))
    segment_id = StringField(null=True, max_length=MAX_ID_LENGTH)
    start_ms = LongField(min_value=0)
    origin = EmbeddedDocumentField(Origin)
    in_point_ms = LongField(min_value=0, max_value=MAX_TIME_MS)
    out_point_ms = LongField(min_value=0, max_value=MAX_TIME_MS)
    lead_ms = LongField(min_value=0, max_value=MAX_TIME_MS)
    closed_ms = LongField(min_value=0, max_value=MAX_TIME_MS)


class Clip(EmbeddedDocument):
    """A stretch of a media file on the timeline; ``cut`` is there on deleted ones only, and
    ``offline`` where the media file has been deleted.
    """

    id = StringField(required=True, max_length=MAX_ID_LENGTH)
    media_file_id = StringField(required=True)
    track_id = StringField(required=True, max_length=MAX_ID_LENGTH)
    start_ms = LongField(required=True, min_value=0, max_value=MAX_TIME_MS)
    duration_ms = LongField(required=True, min_value=MIN_CLIP_MS, max_value=MAX_TIME_MS)
    in_point_ms = LongField(required=True, min_value=0, max_value=MAX_TIME_MS)
    out_point_ms = LongField(required=True, min_value=0, max_value=MAX_TIME_MS)
    effects = ListField(DictField(), max_length=MAX_EFFECTS)
    deleted = BooleanField(required=True, default=False)
    cut = EmbeddedDocumentField(Cut)
    offline = BooleanField()


class Track(EmbeddedDocument):
    """Clips that lie one behind the other in time; in the list they are in no order."""

    id = StringField(required=True, max_length=MAX_ID_LENGTH)
    type = StringField(required=True, choices=("video", "audio"))
    name = StringField(required=True, max_length=MAX_TRACK_NAME_LENGTH)
    clips = EmbeddedDocumentListField(Clip)


class Word(EmbeddedDocument):
    """One spoken word; times are the source media's. What nobody has edited has no more fields."""

    word = StringField(required=True)
    start_ms = LongField(required=True, min_value=0)
    end_ms = LongField(required=True, min_value=0)
    confidence = FloatField(required=True, min_value=0, max_value=1)
    edited_word = StringField()
    deleted = BooleanField()


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
    transcript_bytes = IntField(required=True, default=BLANK_TRANSCRIPT_BYTES, min_value=0)
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
