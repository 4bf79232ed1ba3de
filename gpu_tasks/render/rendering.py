"""Render the missing segments of a film, several at once, and join all segments."""

import logging
import os
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from gpu_tasks.mediakit import ffmpeg
from gpu_tasks.mediakit.heif import replace_by_png
from gpu_tasks.render import concatenation, pictures, sound
from gpu_tasks.render.concatenation import Progress
from gpu_tasks.render.contract import Captions, Output, RenderPayload, RenderResult
from gpu_tasks.render.contract.captions import DEFAULT
from gpu_tasks.render.contract.segments import RenderPlan, RenderSegment, plan_render
from gpu_tasks.render.drawing import draw_captions
from gpu_tasks.render.sources import (
    SourceInfo,
    build_incomplete_error,
    build_unreadable_error,
    probe,
)
from gpu_tasks.runtime.engine import Engine, Workspace
from gpu_tasks.runtime.errors import AuteurError, EngineError, ErrorCode, StoppedError
from gpu_tasks.runtime.stages import Stage

logger = logging.getLogger(__name__)

LEAST_AT_ONCE = 2
"""Segments rendered at once: while one begins or ends, the other keeps the cores busy."""
THREADS = 2
"""Threads for each segment, at least: encoders use few threads better than many."""
PIXELS_AT_ONCE = 8 * 3840 * 2160
"""The limit over all segments rendered at once: an encoder holds some sixty frames in memory."""
SOUND_WEIGHT = 0.05
"""The work for sound as a share of the work for pictures of the same length."""
JOINING_SHARE = 0.02
STALL_SECONDS = 300.0
"""The longest time without a written frame: more than the slowest encoder holds back."""
TRIES = 2


class RenderStalledError(AuteurError):
    """FFmpeg runs and does nothing."""


class RenderEngine(Engine):
    """An engine that renders one film at a time."""

    model = "FFmpeg"

    def run(self, payload: RenderPayload, workspace: Workspace) -> RenderResult:
        """Write the film; new segments are stored as soon as they are complete."""
        return Rendering(payload, workspace).run()


class Shares:
    """The progress of segments that are rendered concurrently; a stop reaches all of them."""

    def __init__(self, weights: Mapping[str, float], report: Progress) -> None:
        self._weights = weights
        self._total = sum(weights.values()) or 1.0
        self._shares = dict.fromkeys(weights, 0.0)
        self._report = report
        self._lock = threading.Lock()
        self._stopped = False

    def build_reporter(self, name: str) -> Progress:
        """Return the progress function of one segment; it raises ``StoppedError``."""

        def report_share(share: float) -> None:
            with self._lock:
                if self._stopped:
                    raise StoppedError
                self._shares[name] = max(self._shares[name], share)
                total_done = sum(self._weights[key] * part for key, part in self._shares.items())
                try:
                    self._report(min(1.0, total_done / self._total) * (1 - JOINING_SHARE))
                except BaseException:
                    self._stopped = True
                    raise

        return report_share

    def stop(self) -> None:
        """Make every segment stop at its next progress report."""
        self._stopped = True


@dataclass(frozen=True)
class Files:
    """The paths of segments that exist, and the output indices of segments to render."""

    ready: Mapping[str, Path]
    output_indices: Mapping[str, int]

    @classmethod
    def from_payload(
        cls, payload: RenderPayload, workspace: Workspace, plan: RenderPlan
    ) -> "Files":
        """Match segments by name; raise MODEL_ERROR if caller and engine plan differently."""
        ready = {
            _get_segment_name(file.name): workspace.input("ready", index)
            for index, file in enumerate(payload.ready)
        }
        output_indices = {
            _get_segment_name(file.key): index for index, file in enumerate(payload.made)
        }
        if not plan.segments.keys() <= ready.keys() | output_indices.keys():
            raise EngineError(ErrorCode.MODEL_ERROR, "The segments are not those of this version.")
        return cls(ready, output_indices)


def _get_segment_name(key: str) -> str:
    """Return a segment's name from the key or name of its file."""
    return key.rsplit("/", 1)[-1].partition(".")[0]


class Rendering:
    """The work of one call."""

    def __init__(self, payload: RenderPayload, workspace: Workspace) -> None:
        self.output, self.timeline = payload.output, payload.timeline
        self.payload, self.workspace = payload, workspace
        self.plan = plan_render(payload.timeline, payload.output)
        self.files = Files.from_payload(payload, workspace, self.plan)
        self.missing = [
            segment for name, segment in self.plan.segments.items() if name not in self.files.ready
        ]
        self.picture_names = {segment.name for segment in self.plan.pictures}
        self.cores = os.cpu_count() or 1
        self.infos: list[SourceInfo | None] = []
        self.shares = Shares(self._segment_weights(), workspace.progress)

    @property
    def seconds(self) -> float:
        """Return the duration of the film."""
        return float(self.plan.frames / self.output.rate)

    def run(self) -> RenderResult:
        """Render the film; raise INPUT_INVALID if it would be empty."""
        if not self.plan.segments:
            raise EngineError(ErrorCode.INPUT_INVALID, "No clip of the timeline is heard.")
        self.workspace.enter(Stage.READING)
        self.infos = [self._probe_source(index) for index in range(len(self.payload.sources))]
        self._check_clips_complete()
        self.workspace.enter(Stage.ENCODING)
        sound_path = self._render_missing()
        self._join_segments(sound_path)
        has_pictures = bool(self.plan.pictures)
        return RenderResult(
            duration_ms=round(self.seconds * 1000),
            width=self.output.width if has_pictures else None,
            height=self.output.height if has_pictures else None,
            has_sound=sound_path is not None,
            stretches=len(self.plan.pictures) + len(self.plan.sound),
            stretches_made=len(self.missing),
        )

    def _segment_weights(self) -> dict[str, float]:
        weights = {
            segment.name: segment.length
            * (1.0 if segment.name in self.picture_names else SOUND_WEIGHT)
            for segment in self.missing
        }
        return {**weights, "": SOUND_WEIGHT * self.plan.frames * bool(self.plan.sound)}

    def _probe_source(self, index: int) -> SourceInfo | None:
        self.workspace.progress(0.0)
        if self.payload.sources[index] is None:
            return None
        path, name = self.workspace.input("sources", index), self.timeline.sources[index].name
        try:
            replace_by_png(path)
        except EngineError as exc:
            raise build_unreadable_error(name) from exc
        return probe(path, name)

    def _check_clips_complete(self) -> None:
        has_pictures = bool(self.plan.pictures)
        for track in self.timeline.tracks:
            for clip in track.clips:
                info = self.infos[clip.source]
                audible_spans = list(self.timeline.list_audible_spans(track, clip))
                shows = track.shows and has_pictures
                if info is not None and info.lacks(clip, shows=shows, heard=audible_spans):
                    raise build_incomplete_error(self.timeline.sources[clip.source].name)

    def _render_missing(self) -> Path | None:
        """Render missing segments, pictures and sound concurrently; return the encoded sound."""
        picture_segments = [
            segment for segment in self.missing if segment.name in self.picture_names
        ]
        workers = count_concurrent_segments(len(picture_segments), self.cores, self.output)
        threads = max(THREADS, self.cores // workers)
        with ThreadPoolExecutor(workers) as picture_pool, ThreadPoolExecutor(1) as sound_pool:
            sound_future = sound_pool.submit(self._render_sound)
            picture_futures = [
                picture_pool.submit(self._render_pictures, segment, threads)
                for segment in picture_segments
            ]
            futures: list[Future[Any]] = [sound_future, *picture_futures]
            try:
                finished, _ = wait(futures, return_when=FIRST_EXCEPTION)
            finally:
                # No other segment may go on after an error.
                self.shares.stop()
                picture_pool.shutdown(wait=False, cancel_futures=True)
            errors = [error for future in finished if (error := future.exception())]
            if errors:
                raise next(
                    (error for error in errors if not isinstance(error, StoppedError)), errors[0]
                )
            return sound_future.result()

    def _render_pictures(self, segment: RenderSegment, threads: int) -> None:
        folder = self.workspace.scratch(f"captions-{segment.name}")
        style = self.timeline.captions_style or DEFAULT
        captions = list(draw_captions(segment.words, style, self.output, folder))
        target = self._segment_path(segment)
        arguments = pictures.build_arguments(
            segment, self.infos, captions, self.output, target, threads
        )
        self._run_ffmpeg(segment, arguments)
        if _count_frames(target) != segment.length:
            raise self._build_error(segment, "FFmpeg has not written all frames")
        self._store_segment(segment)

    def _render_sound(self) -> Path | None:
        for segment in self.missing:
            if segment.name not in self.picture_names:
                self._run_ffmpeg(
                    segment,
                    sound.build_arguments(
                        segment, self.infos, self.output, self._segment_path(segment)
                    ),
                )
                self._store_segment(segment)
        return self._encode_sound() if self.plan.sound else None

    def _run_ffmpeg(self, segment: RenderSegment, arguments: Sequence[str | Path]) -> None:
        """Run FFmpeg; run it again if it stalls, because its threads may deadlock."""
        seconds = float(segment.length / self.output.rate)
        for _ in range(TRIES):
            try:
                progress = detect_stalls(self.shares.build_reporter(segment.name), STALL_SECONDS)
                ffmpeg.run(arguments, seconds=seconds, progress=progress)
            except ffmpeg.FFmpegFailedError as exc:
                raise self._build_error(segment, str(exc)) from exc
            except RenderStalledError:
                logger.warning("FFmpeg stood still at a segment")
            else:
                return
        raise EngineError(ErrorCode.GPU_UNAVAILABLE)

    def _store_segment(self, segment: RenderSegment) -> None:
        self.shares.build_reporter(segment.name)(1.0)
        self.workspace.keep("made", self.files.output_indices[segment.name])

    def _build_error(self, segment: RenderSegment, message: str) -> EngineError:
        """Return INPUT_INVALID with the names of undecodable sources; MODEL_ERROR if all decode."""
        is_shown = segment.name in self.picture_names
        inputs = (pictures if is_shown else sound).list_inputs(segment, self.infos, self.output)
        undecodable_names = {
            self.timeline.sources[index].name
            for index, arguments in inputs
            if not _can_decode(arguments)
        }
        for index, info in enumerate(self.infos):
            message = message.replace(str(info.path), f"source {index}") if info else message
        logger.error(
            "a segment could not be made: %s", message.replace(str(self.workspace.root), "")
        )
        if undecodable_names:
            return build_unreadable_error(", ".join(sorted(undecodable_names)))
        return EngineError(ErrorCode.MODEL_ERROR)

    def _segment_path(self, segment: RenderSegment) -> Path:
        path = self.files.ready.get(segment.name)
        return path or self.workspace.output("made", self.files.output_indices[segment.name])

    def _write_list(self, segments: Sequence[RenderSegment], name: str) -> list[str | Path]:
        paths = [self._segment_path(segment) for segment in segments]
        lengths = [Fraction(segment.length) / self.output.rate for segment in segments]
        return concatenation.write_playlist(paths, lengths, self.workspace.scratch(name))

    def _encode_sound(self) -> Path:
        suffix = concatenation.SOUND_SUFFIX[self.output.format]
        target = self.workspace.scratch(f"sound{suffix}")
        source = self._write_list(self.plan.sound, "sound.ffconcat")
        concatenation.encode_sound(
            source, self.output, target, self.seconds, self.shares.build_reporter("")
        )
        return target

    def _join_segments(self, sound_path: Path | None) -> None:
        picture_list = None
        if self.plan.pictures:
            picture_list = self._write_list(self.plan.pictures, "pictures.ffconcat")
        embeds_captions = self.output.captions is Captions.EMBEDDED and self.timeline.cues
        cues = self.workspace.scratch("captions.srt")
        concatenation.join_segments(
            picture_list,
            sound_path,
            concatenation.write_cues(self.timeline.cues, cues) if embeds_captions else None,
            self.output,
            pictures.get_timescale(self.output.rate),
            self.workspace.output("result"),
            self.seconds,
            self.workspace.progress_within(1 - JOINING_SHARE, 1.0),
        )


def count_concurrent_segments(segments: int, cores: int, output: Output) -> int:
    """Return as many segments as keep the cores busy and fit into memory."""
    max_segments = PIXELS_AT_ONCE // (output.width * output.height)
    return max(1, min(segments, max(LEAST_AT_ONCE, cores // THREADS), max_segments))


def detect_stalls(progress: Progress, still_seconds: float) -> Progress:
    """Return a progress function that passes its calls on to another one.

    It raises ``RenderStalledError`` if the progress stays the same for so long.
    """
    best, progressed_at = -1.0, time.monotonic()

    def report(share: float) -> None:
        nonlocal best, progressed_at
        if share > best:
            best, progressed_at = share, time.monotonic()
        elif time.monotonic() - progressed_at > still_seconds:
            raise RenderStalledError
        progress(share)

    return report


def _can_decode(arguments: Sequence[str | Path]) -> bool:
    """Return True if decoding this input alone gives any output."""
    return ffmpeg.can_decode(["-abort_on", "empty_output", *arguments])


def _count_frames(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(stream.frames for stream in container.streams.video)
