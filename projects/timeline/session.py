"""An EDL read for one edit, as far as the edit needs it, and written as far as it changed it.

Never the whole document: the tracks, or of the transcript the ids and a run of segments in full.
The write names the version that was read, and carries its inverse; one atomic update for both.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import bson
from django.db import transaction

from projects import edl
from projects.documents import MAX_TRANSCRIPT_BYTES
from projects.timeline import changes as changing
from projects.timeline import rules, sources
from projects.timeline.content import Content, Segment, duration_of
from projects.timeline.history import CHANGES, growth
from projects.transcript import TranscriptTooLarge


@dataclass(frozen=True)
class Needs:
    """Which parts an edit works on: segments in full by id, by index, or all."""

    tracks: bool = False
    segment_ids: frozenset[str] = frozenset()
    segment_indexes: frozenset[int] = frozenset()
    transcript: bool = False

    @property
    def segments(self) -> bool:
        """Whether it works on any segment."""
        return bool(self.transcript or self.segment_ids or self.segment_indexes)


@dataclass(frozen=True)
class Edited:
    """An EDL after an edit, and the changes that lead there from the version before."""

    version: int
    undo_depth: int
    redo_depth: int
    duration_ms: int
    changes: Sequence[changing.Change] = ()


@dataclass(frozen=True)
class Session:
    """What was read."""

    project_id: UUID
    user_id: UUID
    version: int
    content: Content
    undo_bytes: list[int]
    redo_bytes: list[int]
    transcript_bytes: int
    duration_ms: int

    @property
    def key(self) -> dict[str, UUID]:
        """Whose EDL it is."""
        return {"project_id": self.project_id, "user_id": self.user_id}


def read(*, project_id: UUID, user_id: UUID, needs: Needs) -> Session:
    """The parts of the EDL; raises ``NotFound``, and ``StaleEdl`` where it changed meanwhile."""
    key = {"project_id": project_id, "user_id": user_id}
    found = edl.find(**key, projection=_projection(needs))
    segments = found.get("transcript", {}).get("segments", [])
    if needs.segments and not needs.transcript:
        segments = _loaded(key, found["version"], segments, needs)
    return Session(
        **key,
        version=found["version"],
        content=Content(tracks=found.get("tracks", []), segments=segments),
        undo_bytes=[step["bytes"] for step in found["undo_stack"]],
        redo_bytes=[step["bytes"] for step in found["redo_stack"]],
        transcript_bytes=found.get("transcript_bytes", 0),
        duration_ms=found["settings"]["duration_ms"],
    )


def _projection(needs: Needs) -> dict[str, Any]:
    fields = ["version", "settings.duration_ms", "undo_stack.bytes", "redo_stack.bytes"]
    if needs.tracks:
        fields.append("tracks")
    if needs.transcript:
        fields.append("transcript")
    elif needs.segments:
        fields.append("transcript.segments.id")
    if needs.segments:
        fields.append("transcript_bytes")
    return dict.fromkeys(fields, 1)


def _loaded(
    key: dict[str, UUID], version: int, segments: list[Segment], needs: Needs
) -> list[Segment]:
    """The segments, all by id alone but the run that holds those that are needed."""
    wanted = {i for i, s in enumerate(segments) if s["id"] in needs.segment_ids}
    wanted |= {index for index in needs.segment_indexes if index < len(segments)}
    if not wanted:
        return segments
    first, last = min(wanted), max(wanted)
    run = {"transcript.segments": {"$slice": [first, last - first + 1]}, "version": 1}
    found = edl.find(**key, projection=run)
    if found["version"] != version:
        raise edl.stale(**key)
    return [*segments[:first], *found["transcript"]["segments"], *segments[last + 1 :]]


@transaction.atomic
def write(session: Session, after: Content, *, history: str = "edit") -> Edited:
    """Check what has changed and write it as one version; raises problems, and ``StaleEdl``.

    ``history``: an ``edit`` goes on the undo stack and empties the other; ``undo`` takes its step
    from the undo stack and puts the inverse on the other, ``redo`` the other way round.
    """
    before = session.content
    after = sources.marked(user_id=session.user_id, before=before, after=after)
    found = changing.between(before, after)
    made = found.there
    depths = (len(session.undo_bytes), len(session.redo_bytes))
    if not made and history == "edit":
        return Edited(session.version, *depths, session.duration_ms)
    if history == "edit":  # undone and redone is only what was checked before
        rules.check(before, after)
        sources.check(user_id=session.user_id, before=before, after=after)
    update = changing.update_of(before, after, made)
    duration = session.duration_ms
    if after.tracks is not before.tracks:
        duration = duration_of(after.tracks)
        update.setdefault("$set", {})["settings.duration_ms"] = bson.Int64(duration)
    if after.segments is not before.segments:
        grown = growth(before.segments, after.segments)
        if grown > 0 and session.transcript_bytes + grown > MAX_TRANSCRIPT_BYTES:
            raise TranscriptTooLarge
        update.setdefault("$inc", {})["transcript_bytes"] = grown
    inverse = {"kind": CHANGES, "changes": found.back}
    depths = _remember(session, update, inverse, history)
    version = edl.compare_and_set(**session.key, expected_version=session.version, update=update)
    if duration != session.duration_ms:
        made = [*made, {"path": "settings.duration_ms", "value": duration}]
    return Edited(version, *depths, duration, made)


def _remember(
    session: Session, update: dict[str, dict[str, Any]], inverse: dict[str, Any], history: str
) -> tuple[int, int]:
    """Have the update keep the inverse; returns how deep the two stacks will be."""
    to, other = ("redo", "undo") if history == "undo" else ("undo", "redo")
    sizes = {"undo": session.undo_bytes, "redo": session.redo_bytes}
    push = edl.pushed(sizes[to], inverse)
    update.setdefault("$push", {})[f"{to}_stack"] = push
    depths = {to: -push["$slice"], other: 0}
    if history == "edit":
        update.setdefault("$set", {})[f"{other}_stack"] = []
    else:
        update.setdefault("$pop", {})[f"{other}_stack"] = 1
        depths[other] = len(sizes[other]) - 1
    return depths["undo"], depths["redo"]


_SEGMENT = re.compile(r"transcript\.segments\.(\d+)(\.|$)")


def needs_of(changes: Sequence[changing.Change]) -> Needs:
    """What must be read to apply these changes."""
    tracks = any(change["path"].startswith(changing.TRACKS) for change in changes)
    places = [
        _SEGMENT.match(change["path"])
        for change in changes
        if not change["path"].startswith(changing.TRACKS)
    ]
    if not all(places):
        return Needs(tracks=tracks, transcript=True)
    indexes = frozenset(int(place[1]) for place in places if place)
    return Needs(tracks=tracks, segment_indexes=indexes)
