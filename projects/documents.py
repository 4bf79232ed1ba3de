"""Define the edit decision list (EDL) in MongoDB: one document per project, bounds and indexes.

`projects.timeline.content` defines tracks and transcripts. Reads and atomic updates use the
collection with plain values, because building 20,000 words as objects takes most of a second. All
ids of rows are plain strings here.

MongoDB refuses documents over 16 MiB, so every part that can grow has its own bound; together the
bounds leave a quarter of a megabyte for everything else.
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
"""Of each stack; larger than any other part, so that every edit can be undone."""
MAX_UNDO_DEPTH = 100
MAX_APPLIED_JOBS = 500
MAX_TRACKS_BYTES = 7 * 1024**2 // 4
"""2,000 clips with UUIDs take a third of it, or half if all are deleted; effects take the rest."""
MAX_TRACKS = bounds.MAX_TRACKS
MAX_CLIPS = bounds.MAX_CLIPS
MAX_EFFECTS = 16
"""Of one clip, each of a different type."""
MAX_EFFECT_BYTES = 1024
MAX_TIME_MS = 100 * 3600 * 1000
MIN_CLIP_MS = 1
MAX_ID_LENGTH = 64
MAX_TRACK_NAME_LENGTH = 100
MAX_SPEAKER_LENGTH = 200
MAX_WORD_LENGTH = 200
MAX_SEGMENT_TEXT_LENGTH = 20_000
MAX_SEGMENTS = 20_000
"""The bytes of a transcript cannot hold more, however short the segments are."""
MAX_SEGMENT_WORDS = 10_000
"""Of one segment: as many as its text can hold."""
MAX_OPERATIONS = 500
"""In one request, of a JSON Patch or named."""
MAX_CUTS = 2 * MAX_CLIPS
"""How often all operations of one request together may cut or restore a clip."""
MAX_FOUND_CUTS = MAX_CLIPS // 2
"""Cuts that one operation may find on all tracks; each within a clip adds two clips."""
MAX_FILLERS = 100
MAX_FILLER_LENGTH = 40
MIN_PAUSE_MS, MAX_PAUSE_MS = 50, 60_000
"""The lengths of pauses that can be cut, and the longest remainder on each side of a cut."""
MAX_CHOSEN_WORDS = 100_000
"""Words that all operations of a request may examine: twice as many as a transcript has."""


def _build_blank_transcript() -> dict[str, Any]:
    return {"generated_at": None, "segments": []}


class EditDecisionList(Document):
    """One project's timeline, transcript and edit history.

    ``settings`` copies the project's row and adds the duration of the timeline; None as
    ``captions_style`` is the default style. The stacks hold the edits that undo and redo, as
    ``{"edit", "bytes", "created_at"}``.
    """

    project_id = StringField(required=True)
    user_id = StringField(required=True)
    version = IntField(required=True, default=1, min_value=1)
    created_at = DateTimeField(required=True)
    updated_at = DateTimeField(required=True)
    settings = DictField(required=True)
    tracks = ListField(DictField())
    transcript = DictField(required=True, default=_build_blank_transcript)
    captions_style = DictField(default=None)
    transcript_bytes = IntField(required=True, default=len(bson.encode(_build_blank_transcript())))
    undo_stack = ListField(DictField())
    redo_stack = ListField(DictField())
    applied_jobs = ListField(StringField())

    meta: ClassVar = {
        "db_alias": ALIAS,
        "collection": "edit_decision_lists",
        "auto_create_index": False,  # `projects.connection` creates the indexes on first use.
        "indexes": [
            {"fields": ["project_id"], "unique": True},
            {"fields": ["project_id", "user_id"]},
        ],
    }
