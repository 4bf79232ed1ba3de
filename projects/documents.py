"""The edit decision list (EDL) as MongoDB holds it: one document a project, its bounds and indexes.

What tracks and transcripts look like stands in `projects.timeline.shape`. Reads and atomic updates
work on the document's collection with plain values: building 20,000 words as objects takes most of
a second. All ids of rows are plain strings here.

MongoDB refuses documents over 16 MiB, so every part that can grow has a bound of its own; together
they leave a quarter of a megabyte for everything else.
"""

from typing import Any, ClassVar

import bson
from mongoengine import (
    DateTimeField,
    DictField,
    Document,
    IntField,
    ListField,
    StringField,
)

from projects import bounds

ALIAS = "edl"

MAX_TRANSCRIPT_BYTES = 4 * 1024**2
"""About 45,000 words, five hours of speech."""
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
MAX_FOUND_CUTS = MAX_CLIPS // 2
"""That one operation finds itself, on all tracks together: each in the midst of a clip leaves two
clips more.
"""
MAX_FILLERS = 100
MAX_FILLER_LENGTH = 40
MIN_PAUSE_MS, MAX_PAUSE_MS = 50, 60_000
"""What can be asked for as too long a pause; what is left on each side of it is no longer."""
MAX_CHOSEN_WORDS = 100_000
"""How many words they look at together: twice as many as a transcript has."""


def _blank_transcript() -> dict[str, Any]:
    return {"generated_at": None, "segments": []}


class EditDecisionList(Document):
    """One project's timeline, transcript and edit history.

    ``settings`` are what the project's row says, and how long the timeline is; no
    ``captions_style`` is the default. The stacks hold
    ``{"edit", "bytes", "created_at"}``: the edits that take the document back, and forth again.
    """

    project_id = StringField(required=True)
    user_id = StringField(required=True)
    version = IntField(required=True, default=1, min_value=1)
    created_at = DateTimeField(required=True)
    updated_at = DateTimeField(required=True)
    settings = DictField(required=True)
    tracks = ListField(DictField())
    transcript = DictField(required=True, default=_blank_transcript)
    captions_style = DictField(default=None)
    transcript_bytes = IntField(required=True, default=len(bson.encode(_blank_transcript())))
    undo_stack = ListField(DictField())
    redo_stack = ListField(DictField())
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
