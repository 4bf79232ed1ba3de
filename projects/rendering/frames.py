"""Render one frame of a project's timeline as a picture within a request (decision 54)."""

import base64
import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final
from uuid import UUID

from auteur.core.api.problems import Problem, UnavailableProblem
from auteur.core.work.sandbox_queue import QUEUE, FilesBusyProblem
from gpu_tasks.render.contract import MediaReference
from gpu_tasks.render.contract.frames import SLACK_SECONDS, get_frame
from gpu_tasks.render.contract.segments import Piece, RenderSegment, plan_frame
from gpu_tasks.runtime import sandbox
from gpu_tasks.runtime.confinement import MIB, Limits
from gpu_tasks.runtime.errors import InputRefusedError
from gpu_tasks.runtime.memory_budget import Reservation
from media.access import list_media
from media.inspection import inspect_with
from media.models import MediaFile, MediaStatus
from media.storage import STORAGE_ERRORS, ObjectMissingError, object_storage
from projects import edl
from projects.models import Project
from projects.rendering.timelines import (
    MAX_CLIPS_NAMED,
    ClipsOfflineProblem,
    build_track,
    get_exact_frame_rate,
)
from projects.timeline.content import Clip, Document, Track, duration_of, end_of
from projects.timeline.session_cache import SessionCache

logger = logging.getLogger(__name__)

MIN_WIDTH, MAX_WIDTH, DEFAULT_WIDTH = 16, 1920, 640
MAX_SIDE = MAX_WIDTH
"""The longest side of a picture, in pixels: tall pictures have the same limit."""
MAX_LAYERS = 4
"""Pictures on top of each other; layers below the topmost four are not rendered."""
MAX_SECONDS = 10.0
"""The time limit of a whole frame, except for one read from the storage."""
LIMITS = Limits(
    memory_bytes=384 * MIB,
    cpu_seconds=8,
    wall_seconds=8.0,
    file_bytes=0,
    answer_bytes=24 * MIB,
)
"""The limits of one layer. 4K of 10 bits takes 320 MiB; a canvas is the largest answer."""


class BeyondTimelineProblem(Problem):
    """Raised if the film is shorter than the requested time. ``duration_ms`` is its length."""

    status_code = 422
    default_code = "beyond_timeline"
    default_detail = (
        "The timeline ends before the requested time. Request a time below duration_ms."
    )


class FrameUnreadableProblem(Problem):
    """Raised if a media file cannot be decoded within the limits. ``media_file_id`` is its id."""

    status_code = 422
    default_code = "frame_unreadable"
    default_detail = (
        "A media file cannot be decoded at this time, or decoding takes too long. Check the file "
        "media_file_id."
    )


class FramesBusyProblem(FilesBusyProblem):
    """Raised if no memory is free to render another frame."""

    default_code = "frames_busy"
    default_detail = "Other frames are being rendered. Try again in a moment."


PROBLEMS = (
    edl.TimelineMissingProblem,
    BeyondTimelineProblem,
    ClipsOfflineProblem,
    FrameUnreadableProblem,
    FramesBusyProblem,
)


@dataclass(frozen=True)
class Frame:
    """A frame as JPEG, and the version of the EDL that it shows."""

    content: bytes
    version: int


@dataclass(frozen=True)
class FramePlan:
    """A requested frame: the render segment of its time, and the media of its pictures."""

    project: Project
    tracks: list[Track]
    version: int
    at_ms: int
    size: tuple[int, int]
    segment: RenderSegment
    media_ids: list[str]
    """The ids of the media, indexed by the sources of ``segment``."""

    @property
    def key(self) -> tuple[UUID, str]:
        return self.project.pk, self.segment.name


FRAME_CACHE: Final["SessionCache[bytes]"] = SessionCache()
"""JPEGs by project and name of the frame, which is a hash of everything that the frame shows."""


def get_version_at(project: Project, *, at_ms: int) -> int:
    """Return the EDL's version; raise ``BeyondTimelineProblem`` if its film is shorter."""
    document = _find_document(project, {})
    _check_time(at_ms, document["settings"]["duration_ms"])
    return document["version"]


def plan_picture(project: Project, *, at_ms: int, width: int) -> FramePlan:
    """Plan the picture at a time of the timeline, without captions, no wider than the film.

    Raises ``BeyondTimelineProblem``.
    """
    document = _find_document(project, {"tracks": 1})
    duration = duration_of(document["tracks"])
    _check_time(at_ms, duration)
    size = compute_size(project, width)
    segment, media_ids = _plan_segment(project, document["tracks"], at_ms, duration, size)
    return FramePlan(
        project, document["tracks"], document["version"], at_ms, size, segment, media_ids
    )


def find_frame(plan: FramePlan) -> Frame | None:
    """Return the frame if this process has it in memory, unchanged since it was made."""
    content = FRAME_CACHE.get(plan.key)
    return None if content is None else Frame(content, plan.version)


def reserve_memory(plan: FramePlan) -> AbstractContextManager[Reservation | None]:
    """Reserve the memory in which the frame is made; raise ``FramesBusyProblem``."""
    return QUEUE.reserve(plan.project.user_id, LIMITS, FramesBusyProblem)


def make_frame(plan: FramePlan, memory: Reservation | None) -> Frame:
    """Decode and blend the frame; raise ``PROBLEMS`` or ``UnavailableProblem``."""
    media_ids = {plan.media_ids[piece.source] for piece in plan.segment.pieces}
    sources = _get_sources(plan.project, plan.tracks, plan.at_ms, media_ids)
    layers = [
        (piece, sources[plan.media_ids[piece.source]]) for piece in reversed(plan.segment.pieces)
    ]
    content = _render_jpeg(layers[:MAX_LAYERS], plan.size, memory)
    FRAME_CACHE.put(plan.key, content, len(content))
    return Frame(content, plan.version)


def compute_size(project: Project, width: int) -> tuple[int, int]:
    """Return width and height of the picture, both even."""
    sides = [int(side) for side in project.resolution.split("x")]
    scale = min(1.0, width / sides[0], MAX_SIDE / max(sides))
    wide, high = (max(2, int(side * scale) // 2 * 2) for side in sides)
    return wide, high


def _find_document(project: Project, fields: Mapping[str, Any]) -> Document:
    projection = {"version": 1, "settings.duration_ms": 1, **fields}
    return edl.find_document(project_id=project.pk, user_id=project.user_id, fields=projection)


def _check_time(at_ms: int, duration_ms: int) -> None:
    if at_ms >= duration_ms:
        raise BeyondTimelineProblem(duration_ms=duration_ms)


def _plan_segment(
    project: Project, tracks: list[Track], at_ms: int, duration: int, size: tuple[int, int]
) -> tuple[RenderSegment, list[str]]:
    """Return the segment that shows the time, lowest layer first, and the ids of its sources."""
    video_tracks = [track for track in tracks if track["type"] == "video"]
    names = sorted(
        {clip["media_file_id"] for track in video_tracks for clip in _iterate_live_clips(track)}
    )
    indexes = {name: index for index, name in enumerate(names)}
    rate = Fraction(get_exact_frame_rate(project))
    last = max(1, get_frame(duration, rate)) - 1
    plan = plan_frame(
        [build_track(track, indexes, ()) for track in video_tracks],
        [MediaReference(id=name, name=name) for name in names],
        min(last, math.floor(at_ms * rate / 1000)),
        rate,
        size,
    )
    return plan, names


def _iterate_live_clips(track: Track) -> Iterator[Clip]:
    return (clip for clip in track["clips"] if not clip["deleted"])


def _get_sources(
    project: Project, tracks: list[Track], at_ms: int, media_ids: set[str]
) -> dict[str, MediaFile]:
    """Return the user's media with these ids; raise ``ClipsOfflineProblem`` if any is missing."""
    rows = list_media(user_id=project.user_id).filter(pk__in=media_ids, status=MediaStatus.READY)
    media_by_id = {str(row.pk): row for row in rows.only("pk", "r2_key")}
    missing = media_ids - media_by_id.keys()
    if missing:
        clips = [
            clip["id"]
            for track in tracks
            for clip in _iterate_live_clips(track)
            if clip["media_file_id"] in missing and clip["start_ms"] <= at_ms < end_of(clip)
        ]
        raise ClipsOfflineProblem(clips=clips[:MAX_CLIPS_NAMED], clip_count=len(clips))
    return media_by_id


def _render_jpeg(
    layers: list[tuple[Piece, MediaFile]], size: tuple[int, int], memory: Reservation | None
) -> bytes:
    """Return the JPEG of layers, which are ordered from the top."""
    width, height = size
    if not layers:
        return _decode(_run_in_sandbox("render_blank", memory, width=width, height=height), "jpeg")
    tick, canvas = _build_time_limit(MAX_SECONDS), b""
    for index, (piece, media) in enumerate(layers, start=1):
        above = canvas
        answer = _render_layer(
            media,
            tick=tick,
            memory=memory,
            reply=lambda _question, above=above: above,
            seconds=float(piece.at + SLACK_SECONDS * piece.speed),
            opacity=math.prod(ramp.opacity_at(0) for ramp in piece.ramps),
            width=width,
            height=height,
            is_last=index == len(layers),
        )
        if "jpeg" in answer:
            return _decode(answer, "jpeg")
        canvas = _decode(answer, "canvas")
    raise UnavailableProblem  # A compromised child did not answer the last layer with a JPEG.


def _render_layer(media: MediaFile, **arguments: Any) -> dict[str, str]:
    storage = object_storage()
    try:
        storage.head(media.r2_key)
        source = storage.probe_source(media.r2_key)
        answer = inspect_with(
            "projects.rendering.layers:render_under", source, limits=LIMITS, **arguments
        )
    except (InputRefusedError, ObjectMissingError) as exc:
        raise FrameUnreadableProblem(media_file_id=str(media.pk)) from exc
    except sandbox.SandboxFailedError as exc:
        logger.exception("no frame was made of media %s", media.pk)
        raise UnavailableProblem from exc
    except STORAGE_ERRORS as exc:
        raise UnavailableProblem from exc
    if not isinstance(answer, dict):
        raise FrameUnreadableProblem(media_file_id=str(media.pk))
    return answer


def _run_in_sandbox(function: str, memory: Reservation | None, **arguments: Any) -> dict[str, str]:
    try:
        answer: dict[str, str] = sandbox.run(
            f"projects.rendering.layers:{function}", arguments, limits=LIMITS, memory=memory
        )
    except (sandbox.SandboxFailedError, sandbox.SandboxExceededError) as exc:
        raise UnavailableProblem from exc
    return answer


def _decode(answer: Mapping[str, str], name: str) -> bytes:
    return base64.b64decode(answer[name])


def _build_time_limit(seconds: float) -> Callable[[], None]:
    """Return a function that raises ``FramesBusyProblem`` once the seconds have passed."""
    end = time.monotonic() + seconds

    def tick() -> None:
        if time.monotonic() > end:
            raise FramesBusyProblem

    return tick
