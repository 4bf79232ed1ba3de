"""Store the timeline of a requested render under its hash, and list the inputs of the render."""

import hashlib
import math
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from auteur.core.api.problems import Problem
from gpu_tasks.render.contract import (
    MAX_CUE_LENGTH,
    MAX_CUES,
    MAX_GAIN_DB,
    MAX_OUTPUT_MS,
    MIN_GAIN_DB,
    MIN_SIDE,
    Clip,
    Cue,
    MediaReference,
    Output,
    Span,
    Timeline,
    Track,
)
from gpu_tasks.render.contract.captions import CaptionsStyle
from gpu_tasks.render.contract.segments import plan_render
from media.access import list_media
from media.models import MediaFile, MediaStatus
from media.storage import object_storage
from projects import captions, edl
from projects.documents import MAX_TIME_MS
from projects.interchange.times import NTSC_TIMEBASES
from projects.models import Project
from projects.rendering import folders
from projects.timeline.content import Clip as EdlClip
from projects.timeline.content import (
    Document,
    all_clips,
    duration_of,
    effect_of,
    end_of,
    speed_permille,
)
from projects.timeline.content import Track as EdlTrack
from projects.timeline.dividing import undivided
from projects.timeline.effects import EFFECT_MODELS

MAX_CLIPS_NAMED = 20
PROXY_SIDE = 640
"""The longer side of a proxy, at most."""
WORK_OF_A_CLIP = 10
"""How many words are as much work as one clip."""
MAX_TIMELINE_BYTES = 16 * 1024**2


class EmptyTimelineProblem(Problem):
    """There is nothing to render."""

    status_code = 422
    default_code = "empty_timeline"
    default_detail = "The project's timeline has no clips."


class ClipsOfflineProblem(Problem):
    """Clips show media that has been deleted: ``clips`` are their ids."""

    status_code = 422
    default_code = "clips_offline"
    default_detail = "Clips show media files that have been deleted: remove or replace them."


class TimelineTooLongProblem(Problem):
    """The film would be longer than can be rendered."""

    status_code = 422
    default_code = "timeline_too_long"
    default_detail = f"A film of at most {MAX_OUTPUT_MS // 3_600_000} hours can be rendered."


@dataclass(frozen=True)
class Snapshot:
    """A timeline as it was when a render was requested."""

    name: str
    version: int
    duration_ms: int
    is_heard: bool
    frame_rate: str
    media_ids: list[str]
    ignored_effects: list[str]


@dataclass(frozen=True)
class RenderInputs:
    """The inputs of a render: the keys of stored segments, of segments to be made, and of sources.

    A source is None if no segment to be made plays it.
    """

    timeline: Timeline
    sources: list[str | None]
    ready: list[str]
    made: list[str]


def get_length(project: Project) -> int:
    """Return the milliseconds of the timeline without reading its tracks, to compute the price.

    Raises ``EmptyTimelineProblem``, ``TimelineTooLongProblem``.
    """
    fields = {"settings.duration_ms": 1}
    document = edl.find_document(project_id=project.pk, user_id=project.user_id, fields=fields)
    return _check_length(document["settings"]["duration_ms"])


def take_snapshot(
    project: Project, *, with_captions: bool, count: Callable[[int], object] = int
) -> tuple[Snapshot, bytes]:
    """Return a snapshot of the project's timeline, and the timeline in its stored form.

    ``count`` is called with the amount of work (``WORK_OF_A_CLIP``) and may refuse it. Raises
    ``EmptyTimelineProblem``, ``ClipsOfflineProblem``, ``TimelineTooLongProblem``,
    ``TooMuchSpokenProblem``.
    """
    document = _read_document(project, with_captions=with_captions)
    count(_estimate_work(document))
    media = _get_media(project.user_id, document["tracks"])
    timeline = _build_timeline(document, media, with_captions=with_captions)
    content = timeline.model_dump_json().encode()
    clips = [clip for clip in all_clips(document["tracks"]) if not clip["deleted"]]
    effects = {effect["type"] for clip in clips for effect in clip["effects"]}
    snapshot = Snapshot(
        name=hashlib.sha1(content, usedforsecurity=False).hexdigest(),
        version=document["version"],
        duration_ms=timeline.duration_ms,
        is_heard=timeline.is_heard,
        frame_rate=exact_frame_rate(project),
        media_ids=sorted(media),
        ignored_effects=sorted(effects - EFFECT_MODELS.keys()),
    )
    return snapshot, content


def _estimate_work(document: Document) -> int:
    """Return the work in words: those of the transcript, and ``WORK_OF_A_CLIP`` for each clip."""
    segments = document["transcript"]["segments"] if "transcript" in document else []
    words = sum(max(1, len(segment["words"])) for segment in segments)
    return words + WORK_OF_A_CLIP * sum(len(track["clips"]) for track in document["tracks"])


def load(project: Project, name: str) -> Timeline:
    """Return the timeline stored under a name; raise ``ObjectMissingError``."""
    content = object_storage().read(folders.timeline_key(project, name), MAX_TIMELINE_BYTES)
    return Timeline.model_validate_json(content)


def list_inputs(project: Project, *, timeline: str, output: Output) -> RenderInputs:
    """Return the inputs of a render of a stored timeline; raise ``ObjectMissingError``."""
    folders.schedule_sweep(project)
    stored_timeline = load(project, timeline)
    segments = plan_render(stored_timeline, output).segments
    keys = {name: folders.segment_key(project, name) for name in segments}
    ready = folders.stored_keys(project)
    missing_names = [name for name, key in keys.items() if key not in ready]
    played_sources = {piece.source for name in missing_names for piece in segments[name].pieces}
    return RenderInputs(
        timeline=stored_timeline,
        sources=[
            source.id if index in played_sources else None
            for index, source in enumerate(stored_timeline.sources)
        ],
        ready=[key for key in keys.values() if key in ready],
        made=[keys[name] for name in missing_names],
    )


def build_output(parameters: Mapping[str, Any]) -> Output:
    """Return the output format of a render from the stored parameters of its job."""
    width, height = (int(side) for side in parameters["resolution"].split("x"))
    if parameters["proxy"]:
        shrink = min(1.0, PROXY_SIDE / max(width, height))
        width, height = (max(MIN_SIDE, int(side * shrink) // 2 * 2) for side in (width, height))
    return Output(
        format=parameters["format"],
        width=width,
        height=height,
        frame_rate=parameters["timeline"]["frame_rate"],
        captions=parameters["captions"],
        loudness_lufs=parameters.get("loudness_lufs"),
        proxy=parameters["proxy"],
    )


def _read_document(project: Project, *, with_captions: bool) -> Document:
    fields = {"tracks": 1, "version": 1}
    if with_captions:
        fields |= {"transcript": 1, "captions_style": 1}
    document = edl.find_document(project_id=project.pk, user_id=project.user_id, fields=fields)
    _check_length(duration_of(document["tracks"]))
    return document


def _check_length(duration_ms: int) -> int:
    if not duration_ms:
        raise EmptyTimelineProblem
    if duration_ms > MAX_OUTPUT_MS:
        raise TimelineTooLongProblem
    return duration_ms


def _get_media(user_id: UUID, tracks: list[EdlTrack]) -> dict[str, MediaFile]:
    """Return the media that the clips show; raise ``ClipsOfflineProblem`` if any is deleted."""
    clips = [clip for clip in all_clips(tracks) if not clip["deleted"]]
    ids = {clip["media_file_id"] for clip in clips}
    rows = list_media(user_id=user_id).filter(pk__in=ids, status=MediaStatus.READY)
    media_by_id = {
        str(row.pk): row for row in rows.only("pk", "name", "r2_key", "type", "metadata")
    }
    offline_clips = [clip["id"] for clip in clips if clip["media_file_id"] not in media_by_id]
    if offline_clips:
        raise ClipsOfflineProblem(
            clips=offline_clips[:MAX_CLIPS_NAMED], clip_count=len(offline_clips)
        )
    return media_by_id


def _build_timeline(
    document: Document, media: Mapping[str, MediaFile], *, with_captions: bool
) -> Timeline:
    indexes = {media_id: index for index, media_id in enumerate(sorted(media))}
    detached_spans = _list_detached_spans(document["tracks"])
    heard = {media_id for media_id, row in media.items() if row.metadata.get("has_audio")}
    return Timeline(
        sources=tuple(
            MediaReference(
                id=media[media_id].r2_key,
                name=media[media_id].name,
                detached=tuple(detached_spans.get(media_id, ())),
            )
            for media_id in indexes
        ),
        tracks=tuple(track_of(track, indexes, heard) for track in document["tracks"]),
        cues=tuple(_build_cues(document)) if with_captions else (),
        captions_style=_read_captions_style(document),
    )


def _read_captions_style(document: Document) -> CaptionsStyle | None:
    """Return the captions style of the timeline, if it has one and it was read."""
    style = document.get("captions_style")
    return None if style is None else CaptionsStyle.model_validate(style)


def track_of(track: EdlTrack, indexes: Mapping[str, int], heard: Collection[str]) -> Track:
    """Return a track to render: ``indexes`` are those of media in sources, ``heard`` has sound."""
    live = [clip for clip in track["clips"] if not clip["deleted"]]
    clips = []
    for clip in undivided(sorted(live, key=lambda clip: (clip["start_ms"], end_of(clip)))):
        media_id = clip["media_file_id"]
        clips.append(_build_clip(clip, indexes[media_id], sounds=media_id in heard))
    return Track(shows=track["type"] == "video", clips=tuple(clips))


def _list_detached_spans(tracks: Iterable[EdlTrack]) -> dict[str, list[Span]]:
    """Return when audio tracks play each media file, so that its sound is not heard twice.

    The spans of a media file are in order; adjacent spans are merged.
    """
    spans_by_media: dict[str, list[Span]] = {}
    clips = [clip for track in tracks if track["type"] == "audio" for clip in track["clips"]]
    for clip in sorted(clips, key=lambda clip: clip["start_ms"]):
        if not clip["deleted"]:
            spans = spans_by_media.setdefault(clip["media_file_id"], [])
            begin, end = clip["start_ms"], end_of(clip)
            if spans and begin <= spans[-1][1]:
                begin, last = spans.pop()
                end = max(end, last)
            spans.append((begin, end))
    return spans_by_media


def _build_clip(clip: EdlClip, source: int, *, sounds: bool) -> Clip:
    gain = _read_parameter(clip, "gain", "db", MIN_GAIN_DB)
    fade_in_ms, before_ms = _read_fade(clip, "fade_in")
    fade_out_ms, after_ms = _read_fade(clip, "fade_out")
    return Clip(
        source=source,
        start_ms=clip["start_ms"],
        end_ms=end_of(clip),
        in_ms=clip["in_point_ms"],
        speed_permille=speed_permille(clip["effects"]),
        gain_db=min(MAX_GAIN_DB, max(MIN_GAIN_DB, gain)),
        fade_in_ms=fade_in_ms,
        fade_in_offset_ms=before_ms,
        fade_out_ms=fade_out_ms,
        fade_out_offset_ms=after_ms,
        sounds=sounds,
    )


def _read_fade(clip: EdlClip, kind: str) -> tuple[int, int]:
    """Return the length of a fade, and how much of it lies outside the clip."""
    length = int(min(MAX_TIME_MS, _read_parameter(clip, kind, "duration_ms", 0.0)))
    offset = int(min(MAX_TIME_MS, _read_parameter(clip, kind, "offset_ms", 0.0)))
    return length, offset if offset < length else 0


Parameter = Literal["db", "duration_ms", "offset_ms"]


def _read_parameter(clip: EdlClip, kind: str, name: Parameter, minimum: float) -> float:
    """Return a parameter of an effect; 0 if it is no number, as in old documents."""
    effect = effect_of(clip["effects"], kind)
    value = effect.get(name) if effect else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return 0.0
    return max(minimum, float(value))


def _build_cues(document: Document) -> list[Cue]:
    styled_cues = captions.styled_cues(document, "timeline")
    cues = sorted((cue.start_ms, cue.end_ms, cue.text) for cue in styled_cues)[:MAX_CUES]
    return [
        Cue(start_ms=start, end_ms=end, text=text[:MAX_CUE_LENGTH]) for start, end, text in cues
    ]


def exact_frame_rate(project: Project) -> str:
    """Return the exact rate that two decimals stand for: 29.97 is 30000/1001."""
    for timebase in NTSC_TIMEBASES:
        if round(timebase * 1000 / 1001, 2) == float(project.frame_rate):
            return f"{timebase * 1000}/1001"
    numerator, denominator = project.frame_rate.as_integer_ratio()
    return f"{numerator}/{denominator}"
