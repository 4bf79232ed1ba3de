"""An EDL read for one edit, as far as the edit needs it, and written as far as it changed it.

Never the whole document: the tracks, or of the transcript the ids and a run of segments in full;
and nothing of what this process keeps from the edit before. The write names the version that was
read, and carries its inverse; one atomic update for both.
"""

import math
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any, Final
from uuid import UUID

from django.db import transaction

from projects import edl
from projects.documents import MAX_TRANSCRIPT_BYTES
from projects.timeline import changes as changing
from projects.timeline import history, rules, sources
from projects.timeline.clip_diff import ClipDiff
from projects.timeline.clip_diff import diff_clips as touching
from projects.timeline.content import Change, Content, Document, duration_of
from projects.timeline.draft import Removed
from projects.timeline.history import Attribution, Stacks, Way, growth
from projects.timeline.session_cache import SessionCache

KEPT: Final["SessionCache[Session]"] = SessionCache()
_NOTHING: Final = Content([], [])
NOTE_SECONDS = 60.0
"""Shortest time between two notes in PostgreSQL of how far one timeline is, by one process."""


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
class EditResult:
    """An EDL after an edit, and the changes that lead there from the version before.

    ``removed`` is what operations tell that look for something themselves, ``step`` whose edit was
    undone or redone.
    """

    version: int
    undo_depth: int
    redo_depth: int
    duration_ms: int
    changes: Sequence[Change] = ()
    removed: Sequence[Removed] = ()
    step: Attribution | None = None


@dataclass(frozen=True)
class Session:
    """What is known of a version, which was made at ``made_at``.

    Sizes are bytes of BSON: of the transcript as it is stored; of what was read of tracks and of
    segments, at most.
    """

    project_id: UUID
    user_id: UUID
    version: int
    made_at: datetime
    stacks: Stacks
    duration_ms: int
    content: Content = _NOTHING
    has_tracks: bool = False
    has_segments: bool = False
    tracks_bytes: int = 0
    segments_bytes: int = 0
    transcript_bytes: int = 0
    is_current: bool = True
    """Whether MongoDB has told this; else there may be a newer version."""
    noted_at: float = -math.inf
    """When PostgreSQL was last told a version, by `time.monotonic`."""

    @property
    def key(self) -> dict[str, UUID]:
        return {"project_id": self.project_id, "user_id": self.user_id}

    def keep(self) -> None:
        """For the next edit by this process."""
        size = self.tracks_bytes + self.segments_bytes
        KEPT.put((self.project_id, self.user_id), replace(self, is_current=False), size)

    def forget(self) -> None:
        """What is kept of it, for it is old."""
        KEPT.forget((self.project_id, self.user_id))

    def confirmed(self) -> "Session | None":
        """If it is the current version: MongoDB is asked unless it has told."""
        if self.is_current:
            return self
        return replace(self, is_current=True) if self.find({}) else None

    def find(self, fields: Mapping[str, Any]) -> tuple[Document, int] | None:
        """These fields and their size, if it is the current version."""
        return edl.find_version(
            project_id=self.project_id,
            user_id=self.user_id,
            version=self.version,
            made_at=self.made_at,
            fields={"version": 1, **fields},
        )

    def with_lists(self, found: Document, size: int) -> "Session":
        """With what of tracks and segments was found in its version."""
        tracks, segments = "tracks" in found, "transcript" in found
        content = replace(
            self.content,
            tracks=found["tracks"] if tracks else self.content.tracks,
            segments=found["transcript"]["segments"] if segments else self.content.segments,
        )
        return replace(
            self,
            content=content,
            has_tracks=self.has_tracks or tracks,
            has_segments=self.has_segments or segments,
            tracks_bytes=size if tracks else self.tracks_bytes,
            segments_bytes=self.segments_bytes + (0 if tracks else size),
            transcript_bytes=found.get("transcript_bytes", self.transcript_bytes),
            is_current=True,
        )


def read_session(
    *,
    project_id: UUID,
    user_id: UUID,
    needs: Needs,
    versions: frozenset[int] | None = None,
) -> Session:
    """The parts of the EDL, of the latest version or of what is kept.

    Where the kept version is one of ``versions``, what is kept of it is not read again: it may be
    an old one, and the session says so. Raises ``NotFoundProblem``, and ``StaleEdlProblem`` where
    the EDL has changed meanwhile.
    """
    kept = KEPT.get((project_id, user_id))
    if kept is not None and not needs.steps and (versions is None or kept.version in versions):
        session = _completed(kept, needs)
        if session is not None and versions is None:
            session = session.confirmed()
        if session is not None:
            return session
        kept.forget()
    session = _completed(_begun(project_id, user_id, needs), needs)
    if session is None:
        raise edl.build_stale_problem(project_id=project_id, user_id=user_id)
    return session


def _begun(project_id: UUID, user_id: UUID, needs: Needs) -> Session:
    """The latest version, with all segments that it needs by their ids at least."""
    fields = ["version", "updated_at", "settings.duration_ms", changing.CAPTIONS_STYLE]
    fields += [f"{stack}_stack{'' if needs.steps else '.bytes'}" for stack in ("undo", "redo")]
    wanted = {**dict.fromkeys(fields, 1), **_lists(needs)}
    found, size = edl.find_document_with_size(project_id=project_id, user_id=user_id, fields=wanted)
    stacks = Stacks(undo=found["undo_stack"], redo=found["redo_stack"])
    duration = found["settings"]["duration_ms"]
    session = Session(
        project_id=project_id,
        user_id=user_id,
        version=found["version"],
        made_at=found["updated_at"],
        stacks=stacks,
        duration_ms=duration,
        content=replace(_NOTHING, captions_style=found.get("captions_style")),
    )
    return session.with_lists(found, size)


def _lists(needs: Needs) -> dict[str, int]:
    fields = ["tracks"] if needs.tracks else []
    if needs.segments:
        fields += ["transcript_bytes", f"transcript{'' if needs.transcript else '.segments.id'}"]
    return dict.fromkeys(fields, 1)


def _completed(session: Session, needs: Needs) -> Session | None:
    """With what is needed and was not read; None where the version is not the current one."""
    read_whole = needs.transcript and any("words" not in s for s in session.content.segments)
    tracks = needs.tracks and not session.has_tracks
    missing = replace(needs, tracks=tracks)
    if session.has_segments and not read_whole:
        missing = Needs(tracks=tracks)
    if lists := _lists(missing):
        found = session.find(lists)
        if found is None:
            return None
        session = session.with_lists(*found)
    return _with_run(session, needs)


def _with_run(session: Session, needs: Needs) -> Session | None:
    """With the run that holds the segments that are needed in full and stand by their ids alone."""
    if not (needs.segment_ids or needs.segment_indexes):
        return session
    segments = session.content.segments
    wanted = [
        index
        for index, segment in enumerate(segments)
        if "words" not in segment
        and (index in needs.segment_indexes or segment["id"] in needs.segment_ids)
    ]
    if not wanted:
        return session
    first, last = wanted[0], wanted[-1]
    found = session.find({"transcript.segments": {"$slice": [first, last - first + 1]}})
    if found is None:
        return None
    run = found[0]["transcript"]["segments"]
    segments = [*segments[:first], *run, *segments[last + 1 :]]
    return replace(
        session,
        content=replace(session.content, segments=segments),
        segments_bytes=session.segments_bytes + found[1],
        is_current=True,
    )


Beside = Callable[[Session, Content], edl.Update]
"""What is written with a content that nobody has edited: it is no step that can be undone."""
UNTOLD: Final = Attribution()


def write_session(
    session: Session,
    after: Content,
    *,
    way: Way | Beside = "edit",
    attribution: Attribution = UNTOLD,
) -> EditResult:
    """Check what has changed and write it as one version.

    Raises problems, and ``StaleEdlProblem``.
    """
    if callable(way):
        return _write(session, after, way, touching(session.content, after), attribution)
    return _write_with_media(session, after, way, attribution)


def _write_with_media(
    session: Session, after: Content, way: Way, attribution: Attribution
) -> EditResult:
    before, touched = session.content, touching(session.content, after)
    held = sources.lock_media_of(
        user_id=session.user_id, before=before, after=after, touched=touched
    )
    with held as marked:
        if marked is not after:
            touched = touching(before, marked)
        return _write(session, marked, way, touched, attribution)


def _write(
    session: Session,
    after: Content,
    way: Way | Beside,
    touched: ClipDiff,
    attribution: Attribution,
) -> EditResult:
    before, stacks = session.content, session.stacks
    found = changing.diff_contents(before, after, touched.moved)
    tracks_bytes = session.tracks_bytes + touched.bytes_at_most
    if way == "edit" and found.forward:  # undone and redone is only what was checked before
        tracks_bytes = rules.check_content(
            before, after, touched=touched, tracks_bytes=session.tracks_bytes
        )
        sources.check_sources(user_id=session.user_id, before=before, after=after, touched=touched)
    update, duration = _update(session, after, found.forward)
    if callable(way):
        _join(update, way(session, after))
    elif way != "edit" or found.forward:
        inverse = attribution.inverse(found.inverse)
        step, stacks = history.record_step(stacks, inverse, way, attribution.made_at)
        _join(update, step)
    if not update:
        return EditResult(session.version, *stacks.depths, duration)
    made_at = edl.now()
    version = edl.compare_and_set(
        **session.key,
        expected_version=session.version,
        made_at=session.made_at,
        update=update,
        at=made_at,
    )
    noted_at = session.noted_at
    if time.monotonic() - noted_at >= NOTE_SECONDS:
        # Outside of the caller's locks: a note that is lost is made again by the next audit.
        note = partial(edl.note_version, session.project_id, version)
        transaction.on_commit(note, robust=True)
        noted_at = time.monotonic()
    made = found.forward
    if duration != session.duration_ms:
        made = [*made, {"path": "settings.duration_ms", "value": duration}]
    if callable(way):
        session.forget()
    else:
        written = update.get("$set", {}).get("transcript_bytes", session.transcript_bytes)
        grown = max(0, written - session.transcript_bytes)
        replace(
            session,
            version=version,
            made_at=made_at,
            stacks=stacks,
            duration_ms=duration,
            content=after,
            tracks_bytes=tracks_bytes,
            segments_bytes=session.segments_bytes + grown,
            transcript_bytes=written,
            noted_at=noted_at,
        ).keep()
    return EditResult(version, *stacks.depths, duration, made)


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
        if change["path"].startswith(changing.SEGMENTS)
    ]
    if not all(places):
        return Needs(tracks=tracks, transcript=True)
    indexes = frozenset(int(place[1]) for place in places if place)
    return Needs(tracks=tracks, segment_indexes=indexes)
