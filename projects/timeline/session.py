"""An EDL read for one edit, as far as the edit needs it, and written as far as it changed it.

Never the whole document: the tracks, or of the transcript the ids and a run of segments in full.
The write names the version that was read, and carries its inverse; one atomic update for both.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from projects import edl
from projects.documents import MAX_TRANSCRIPT_BYTES
from projects.timeline import changes as changing
from projects.timeline import history, rules, sources
from projects.timeline.content import Change, Content, Segment, duration_of
from projects.timeline.history import CHANGES, Stacks, Way, growth


@dataclass(frozen=True)
class Needs:
    """Which parts an edit works on: segments in full by id, by index, or all; steps in full."""

    tracks: bool = False
    segment_ids: frozenset[str] = frozenset()
    segment_indexes: frozenset[int] = frozenset()
    transcript: bool = False
    steps: bool = False

    @property
    def segments(self) -> bool:
        return bool(self.transcript or self.segment_ids or self.segment_indexes)


@dataclass(frozen=True)
class Edited:
    """An EDL after an edit, and the changes that lead there from the version before."""

    version: int
    undo_depth: int
    redo_depth: int
    duration_ms: int
    changes: Sequence[Change] = ()


@dataclass(frozen=True)
class Session:
    """What was read."""

    project_id: UUID
    user_id: UUID
    version: int
    content: Content
    stacks: Stacks
    transcript_bytes: int
    duration_ms: int

    @property
    def key(self) -> dict[str, UUID]:
        return {"project_id": self.project_id, "user_id": self.user_id}


def read(*, project_id: UUID, user_id: UUID, needs: Needs) -> Session:
    """The parts of the EDL.

    Raises ``NotFoundProblem``, and ``StaleEdlProblem`` where it changed meanwhile.
    """
    key = {"project_id": project_id, "user_id": user_id}
    found = edl.find(**key, fields=_fields(needs))
    segments = found["transcript"]["segments"] if "transcript" in found else []
    if needs.segments and not needs.transcript:
        segments = _load_run(key, found["version"], segments, needs)
    return Session(
        **key,
        version=found["version"],
        content=Content(tracks=found.get("tracks", []), segments=segments),
        stacks=Stacks(undo=found["undo_stack"], redo=found["redo_stack"]),
        transcript_bytes=found.get("transcript_bytes", 0),
        duration_ms=found["settings"]["duration_ms"],
    )


def _fields(needs: Needs) -> dict[str, Any]:
    fields = ["version", "settings.duration_ms"]
    fields += [f"{stack}_stack{'' if needs.steps else '.bytes'}" for stack in ("undo", "redo")]
    if needs.tracks:
        fields.append("tracks")
    if needs.transcript:
        fields.append("transcript")
    elif needs.segments:
        fields.append("transcript.segments.id")
    if needs.segments:
        fields.append("transcript_bytes")
    return dict.fromkeys(fields, 1)


def _load_run(
    key: dict[str, UUID], version: int, segments: list[Segment], needs: Needs
) -> list[Segment]:
    """The segments, all by id alone but the run that holds those that are needed."""
    wanted = {i for i, s in enumerate(segments) if s["id"] in needs.segment_ids}
    wanted |= {index for index in needs.segment_indexes if index < len(segments)}
    if not wanted:
        return segments
    first, last = min(wanted), max(wanted)
    run = {"version": 1, "transcript.segments": {"$slice": [first, last - first + 1]}}
    found = edl.find(**key, fields=run)
    if found["version"] != version:
        raise edl.stale(**key)
    return [*segments[:first], *found["transcript"]["segments"], *segments[last + 1 :]]


Beside = Callable[[Session, Content], edl.Update]
"""What is written with a content that nobody has edited: it is no step that can be undone."""


def write(session: Session, after: Content, *, way: Way | Beside = "edit") -> Edited:
    """Check what has changed and write it as one version.

    Raises problems, and ``StaleEdlProblem``.
    """
    if callable(way):
        return _write(session, after, way)
    held = sources.holding_media(user_id=session.user_id, before=session.content, after=after)
    with held as marked:
        return _write(session, marked, way)


def _write(session: Session, after: Content, way: Way | Beside) -> Edited:
    before, stacks = session.content, session.stacks
    found = changing.between(before, after)
    if way == "edit" and found.forward:  # undone and redone is only what was checked before
        rules.check(before, after)
        sources.check(user_id=session.user_id, before=before, after=after)
    update, duration = _update(session, after, found.forward)
    if callable(way):
        _join(update, way(session, after))
    elif way != "edit" or found.forward:
        step, stacks = history.recorded(stacks, {"kind": CHANGES, "changes": found.inverse}, way)
        _join(update, step)
    if not update:
        return Edited(session.version, *stacks.depths, duration)
    version = edl.compare_and_set(**session.key, expected_version=session.version, update=update)
    made = found.forward
    if duration != session.duration_ms:
        made = [*made, {"path": "settings.duration_ms", "value": duration}]
    return Edited(version, *stacks.depths, duration, made)


def _update(session: Session, after: Content, made: Sequence[Change]) -> tuple[edl.Update, int]:
    """What makes the changes, with all that follows from them; and how long the timeline is."""
    before, duration = session.content, session.duration_ms
    update = changing.update_of(before, after, made)
    if made and after.tracks is not before.tracks:
        duration = duration_of(after.tracks)
        update.setdefault("$set", {})["settings.duration_ms"] = duration
    if made and after.segments is not before.segments:
        grown = growth(before.segments, after.segments)
        size = session.transcript_bytes + grown
        if grown > 0 and size > MAX_TRANSCRIPT_BYTES:
            raise edl.TranscriptTooLargeProblem
        update.setdefault("$set", {})["transcript_bytes"] = size
    return update, duration


def _join(update: edl.Update, other: edl.Update) -> None:
    for operator, fields in other.items():
        update.setdefault(operator, {}).update(fields)


_SEGMENT = re.compile(r"transcript\.segments\.(\d+)(\.|$)")


def needs_of(changes: Sequence[Change]) -> Needs:
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
