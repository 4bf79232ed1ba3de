"""The timeline document in memory while one request edits it: read as needed, written as changed.

Never the whole document is read: the tracks, or of the transcript the ids and a run of segments in
full; and nothing that this process has cached after the edit before. The write names the version
that was read, and contains its inverse: one atomic update for both.
"""

import math
import re
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any, Final, Literal
from uuid import UUID

from django.db import transaction

from projects import edl
from projects.documents import MAX_TRANSCRIPT_BYTES
from projects.timeline import changes as changing
from projects.timeline import history, rules, sources
from projects.timeline.clip_diff import ClipDiff, diff_clips
from projects.timeline.content import Change, Content, Document, duration_of
from projects.timeline.draft import Draft, Removed
from projects.timeline.history import Attribution, Stacks
from projects.timeline.session_cache import SessionCache

SESSIONS: Final["SessionCache[Session]"] = SessionCache()
_EMPTY: Final = Content([], [])
NOTE_SECONDS = 60.0
"""Shortest time between two notes of one timeline's version in PostgreSQL, by one process."""

EditKind = Literal["edit", "undo", "redo", "system"]
"""By whom: a ``system`` edit is no step that can be undone."""


@dataclass(frozen=True)
class Needs:
    """The parts that an edit works on: segments in full by id, by index, or all; steps in full."""

    tracks: bool = False
    segment_ids: frozenset[str] = frozenset()
    segment_indexes: frozenset[int] = frozenset()
    transcript: bool = False
    steps: bool = False

    def build_fields(self) -> dict[str, int]:
        """Return the projection of tracks and transcript: segments by their ids, unless all."""
        fields = ["tracks"] if self.tracks else []
        if self.transcript:
            fields += ["transcript_bytes", "transcript"]
        elif self.segment_ids or self.segment_indexes:
            fields += ["transcript_bytes", "transcript.segments.id"]
        return dict.fromkeys(fields, 1)


@dataclass(frozen=True)
class Edit:
    """An edit to make: the parts that it needs, and what it makes of the content.

    ``change`` does not mutate the content. ``extra_update`` builds what is written besides.
    """

    needs: Needs
    change: Callable[[Content], Content | Draft]
    attribution: Attribution = Attribution()  # noqa: RUF009 (immutable)
    kind: EditKind = "edit"
    extra_update: "Callable[[Session, Content], edl.Update] | None" = None


@dataclass(frozen=True)
class EditResult:
    """An EDL after an edit, and the changes that lead there from the version before.

    ``removed`` is what searching operations have cut, ``step`` whose edit was undone or redone.
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
    """What this process knows of a version, which was written at ``made_at``.

    Sizes are bytes of BSON: of the transcript as it is stored; of the tracks and segments that were
    read, at most.
    """

    project_id: UUID
    user_id: UUID
    version: int
    made_at: datetime
    stacks: Stacks
    duration_ms: int
    content: Content = _EMPTY
    has_tracks: bool = False
    has_segments: bool = False
    tracks_bytes: int = 0
    segments_bytes: int = 0
    transcript_bytes: int = 0
    is_current: bool = True
    """True if MongoDB has confirmed it; otherwise there may be a newer version."""
    noted_at: float = -math.inf
    """When the version was last noted in PostgreSQL, by `time.monotonic`."""

    @property
    def key(self) -> dict[str, UUID]:
        return {"project_id": self.project_id, "user_id": self.user_id}

    def cache(self) -> None:
        """Store it for the next edit by this process."""
        size = self.tracks_bytes + self.segments_bytes
        SESSIONS.put((self.project_id, self.user_id), replace(self, is_current=False), size)

    def forget(self) -> None:
        """Delete what is cached of the timeline, because it is old."""
        SESSIONS.forget((self.project_id, self.user_id))

    def find_current(self) -> "Session | None":
        """Return it if it is the current version; MongoDB is asked unless it has confirmed that."""
        if self.is_current:
            return self
        return replace(self, is_current=True) if self.find_fields({}) else None

    def find_fields(self, fields: Mapping[str, Any]) -> tuple[Document, int] | None:
        """Return these fields and their size, if it is the current version."""
        return edl.find_version(
            **self.key, version=self.version, made_at=self.made_at, fields={"version": 1, **fields}
        )

    def with_lists(self, document: Document, size: int) -> "Session":
        """Return it with the tracks and segments of a document of its version."""
        has_tracks, has_segments = "tracks" in document, "transcript" in document
        content = replace(
            self.content,
            tracks=document["tracks"] if has_tracks else self.content.tracks,
            segments=document["transcript"]["segments"] if has_segments else self.content.segments,
        )
        return replace(
            self,
            content=content,
            has_tracks=self.has_tracks or has_tracks,
            has_segments=self.has_segments or has_segments,
            tracks_bytes=size if has_tracks else self.tracks_bytes,
            segments_bytes=self.segments_bytes + (0 if has_tracks else size),
            transcript_bytes=document.get("transcript_bytes", self.transcript_bytes),
            is_current=True,
        )


def read_session(
    *,
    project_id: UUID,
    user_id: UUID,
    needs: Needs,
    versions: frozenset[int] | None = None,
) -> Session:
    """Return the latest version of the EDL, with the parts that are needed.

    If one of ``versions`` is cached, it is not read again: it may be old, and the session says so.
    Raise ``NotFoundProblem``, and ``StaleEdlProblem`` if the EDL changes meanwhile.
    """
    cached = SESSIONS.get((project_id, user_id))
    if cached is not None and not needs.steps and (versions is None or cached.version in versions):
        session = _read_missing(cached, needs)
        if session is not None and versions is None:
            session = session.find_current()
        if session is not None:
            return session
        cached.forget()
    fields = ["version", "updated_at", "settings.duration_ms", changing.CAPTIONS_STYLE]
    fields += [f"{stack}_stack{'' if needs.steps else '.bytes'}" for stack in ("undo", "redo")]
    document, size = edl.find_document_with_size(
        project_id=project_id,
        user_id=user_id,
        fields={**dict.fromkeys(fields, 1), **needs.build_fields()},
    )
    latest = Session(
        project_id=project_id,
        user_id=user_id,
        version=document["version"],
        made_at=document["updated_at"],
        stacks=Stacks(undo=document["undo_stack"], redo=document["redo_stack"]),
        duration_ms=document["settings"]["duration_ms"],
        content=replace(_EMPTY, captions_style=document.get("captions_style")),
    )
    session = _read_missing(latest.with_lists(document, size), needs)
    if session is None:
        raise edl.build_stale_problem(project_id=project_id, user_id=user_id)
    return session


def _read_missing(session: Session, needs: Needs) -> Session | None:
    """Return the session with all that is needed; None if its version is not the current one.

    Segments that are needed in full, and of which only the ids are known, are read as one run.
    """
    missing = replace(needs, tracks=needs.tracks and not session.has_tracks)
    if session.has_segments and (
        not needs.transcript or all("words" in segment for segment in session.content.segments)
    ):
        missing = Needs(tracks=missing.tracks)
    if fields := missing.build_fields():
        found_lists = session.find_fields(fields)
        if found_lists is None:
            return None
        session = session.with_lists(*found_lists)
    if not (needs.segment_ids or needs.segment_indexes):
        return session
    segments = session.content.segments
    indexes = [
        index
        for index, segment in enumerate(segments)
        if "words" not in segment
        and (index in needs.segment_indexes or segment["id"] in needs.segment_ids)
    ]
    if not indexes:
        return session
    first, last = indexes[0], indexes[-1]
    found_run = session.find_fields({"transcript.segments": {"$slice": [first, last - first + 1]}})
    if found_run is None:
        return None
    run = found_run[0]["transcript"]["segments"]
    content = replace(session.content, segments=[*segments[:first], *run, *segments[last + 1 :]])
    size = session.segments_bytes + found_run[1]
    return replace(session, content=content, segments_bytes=size, is_current=True)


def write_session(session: Session, after: Content, edit: Edit) -> EditResult:
    """Check what has changed and write it as one version, if anything has.

    Media that clips begin to show cannot be deleted until the version is written. Raise problems,
    and ``StaleEdlProblem``.
    """
    diff = diff_clips(session.content, after)
    lock = sources.lock_media_of(
        user_id=session.user_id, before=session.content, after=after, diff=diff
    )
    with nullcontext(after) if edit.kind == "system" else lock as marked:
        if marked is not after:
            diff = diff_clips(session.content, marked)
        return _write(session, marked, diff, edit)


def _write(session: Session, after: Content, diff: ClipDiff, edit: Edit) -> EditResult:
    before, stacks, kind = session.content, session.stacks, edit.kind
    changes = changing.diff_contents(before, after, diff.moved)
    tracks_bytes = session.tracks_bytes + diff.bytes_at_most
    if kind == "edit" and changes.forward:  # Undo and redo lead to what was checked before.
        tracks_bytes = rules.check_content(
            before, after, diff=diff, tracks_bytes=session.tracks_bytes
        )
        sources.check_sources(user_id=session.user_id, before=before, after=after, diff=diff)
    update, duration, transcript_bytes = _build_update(session, after, changes.forward)
    if edit.extra_update is not None:
        _merge_update(update, edit.extra_update(session, after))
    if kind in ("undo", "redo") or (kind == "edit" and changes.forward):
        inverse = edit.attribution.build_inverse(changes.inverse)
        step, stacks = history.record_step(stacks, inverse, kind, edit.attribution.made_at)
        _merge_update(update, step)
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
        # Outside of the caller's locks: the next audit repeats a note that is lost.
        note = partial(edl.note_version, session.project_id, version)
        transaction.on_commit(note, robust=True)
        noted_at = time.monotonic()
    if kind == "system":
        session.forget()
    else:
        growth = max(0, transcript_bytes - session.transcript_bytes)
        replace(
            session,
            version=version,
            made_at=made_at,
            stacks=stacks,
            duration_ms=duration,
            content=after,
            tracks_bytes=tracks_bytes,
            segments_bytes=session.segments_bytes + growth,
            transcript_bytes=transcript_bytes,
            noted_at=noted_at,
        ).cache()
    forward = changes.forward
    if duration != session.duration_ms:
        forward = [*forward, {"path": "settings.duration_ms", "value": duration}]
    return EditResult(version, *stacks.depths, duration, forward)


def _build_update(
    session: Session, after: Content, changes: Sequence[Change]
) -> tuple[edl.Update, int, int]:
    """Return the update that makes the changes, the timeline's duration and the transcript's size.

    Raise ``TranscriptTooLargeProblem``.
    """
    before = session.content
    duration, transcript_bytes = session.duration_ms, session.transcript_bytes
    update = changing.build_update(before, after, changes)
    if changes and after.tracks is not before.tracks:
        duration = duration_of(after.tracks)
        update.setdefault("$set", {})["settings.duration_ms"] = duration
    if changes and after.segments is not before.segments:
        growth = history.measure_growth(before.segments, after.segments)
        transcript_bytes += growth
        if growth > 0 and transcript_bytes > MAX_TRANSCRIPT_BYTES:
            raise edl.TranscriptTooLargeProblem
        update.setdefault("$set", {})["transcript_bytes"] = transcript_bytes
    return update, duration, transcript_bytes


def _merge_update(update: edl.Update, other: edl.Update) -> None:
    for operator, fields in other.items():
        update.setdefault(operator, {}).update(fields)


_SEGMENT = re.compile(r"transcript\.segments\.(\d+)(\.|$)")


def needs_of(changes: Sequence[Change]) -> Needs:
    """Return what must be read to apply these changes."""
    has_tracks = any(change["path"].startswith(changing.TRACKS) for change in changes)
    matches = [
        _SEGMENT.match(change["path"])
        for change in changes
        if change["path"].startswith(changing.SEGMENTS)
    ]
    if not all(matches):
        return Needs(tracks=has_tracks, transcript=True)
    indexes = frozenset(int(match[1]) for match in matches if match)
    return Needs(tracks=has_tracks, segment_indexes=indexes)
