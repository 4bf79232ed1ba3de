"""Make what is missing of a film, several segments at once, and join all of it."""

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
from gpu_tasks.render import joining, pictures, sound
from gpu_tasks.render.contract import Captions, Output, RenderPayload, RenderResult
from gpu_tasks.render.contract.captions import DEFAULT
from gpu_tasks.render.contract.segments import RenderPlan, RenderSegment, plan_render
from gpu_tasks.render.drawing import draw_captions
from gpu_tasks.render.joining import Progress
from gpu_tasks.render.sources import SourceInfo, probe, torn, unreadable
from gpu_tasks.runtime.engine import Engine, Workspace
from gpu_tasks.runtime.errors import AuteurError, EngineError, ErrorCode, StoppedError
from gpu_tasks.runtime.stages import Stage

logger = logging.getLogger(__name__)

LEAST_AT_ONCE = 2
"""Segments made at once: while one begins or ends, the other keeps the cores busy."""
THREADS = 2
"""Of each, at least: encoders use few threads better than many."""
PIXELS_AT_ONCE = 8 * 3840 * 2160
"""Of all segments made at once: an encoder holds some sixty pictures in memory."""
SOUND_WEIGHT = 0.05
"""Sound is so much of the work of pictures of the same length."""
JOINING_SHARE = 0.02
STILL_SECONDS = 300.0
"""Without a frame written: more than the slowest encoder holds back."""
TRIES = 2


class RenderStandsStillError(AuteurError):
    """FFmpeg runs and does nothing."""


class RenderEngine(Engine):
    """Renders one film at a time."""

    model = "FFmpeg"

    def run(self, payload: RenderPayload, workspace: Workspace) -> RenderResult:
        """Write the film; segments that are made are stored at once."""
        return Rendering(payload, workspace).run()


class Shares:
    """The share done over segments that are made at once; a stop reaches all of them."""

    def __init__(self, weights: Mapping[str, float], report: Progress) -> None:
        self._weights = weights
        self._whole = sum(weights.values()) or 1.0
        self._done = dict.fromkeys(weights, 0.0)
        self._report = report
        self._lock = threading.Lock()
        self._stopped = False

    def of(self, name: str) -> Progress:
        """What tells of one part; raises ``StoppedError``."""

        def tell(share: float) -> None:
            with self._lock:
                if self._stopped:
                    raise StoppedError
                self._done[name] = max(self._done[name], share)
                done = sum(self._weights[one] * part for one, part in self._done.items())
                try:
                    self._report(min(1.0, done / self._whole) * (1 - JOINING_SHARE))
                except BaseException:
                    self._stopped = True
                    raise

        return tell

    def stop(self) -> None:
        """Have every part stop where it tells of itself next."""
        self._stopped = True


@dataclass(frozen=True)
class Files:
    """Where the segments lie: those that are there, and the places of those to be made."""

    found: Mapping[str, Path]
    places: Mapping[str, int]

    @classmethod
    def of(cls, payload: RenderPayload, workspace: Workspace, planned: RenderPlan) -> "Files":
        """Matched by name; raises MODEL_ERROR where caller and engine plan differently."""
        found = {
            _name(file.name): workspace.input("ready", index)
            for index, file in enumerate(payload.ready)
        }
        places = {_name(file.key): index for index, file in enumerate(payload.made)}
        if not planned.segments.keys() <= found.keys() | places.keys():
            raise EngineError(ErrorCode.MODEL_ERROR, "The segments are not those of this version.")
        return cls(found, places)


def _name(key: str) -> str:
    """A segment's name, of the key or name of its file."""
    return key.rsplit("/", 1)[-1].partition(".")[0]


class Rendering:
    """One call's work."""

    def __init__(self, payload: RenderPayload, workspace: Workspace) -> None:
        self.output, self.timeline = payload.output, payload.timeline
        self.payload, self.workspace = payload, workspace
        self.plan = plan_render(payload.timeline, payload.output)
        self.files = Files.of(payload, workspace, self.plan)
        self.missing = [
            one for name, one in self.plan.segments.items() if name not in self.files.found
        ]
        self.picture_names = {one.name for one in self.plan.pictures}
        self.cores = os.cpu_count() or 1
        self.infos: list[SourceInfo | None] = []
        self.shares = Shares(self._weights(), workspace.progress)

    @property
    def seconds(self) -> float:
        """How long the film is."""
        return float(self.plan.frames / self.output.rate)

    def run(self) -> RenderResult:
        """Make the film; raises INPUT_INVALID where nothing would be in it."""
        if not self.plan.segments:
            raise EngineError(ErrorCode.INPUT_INVALID, "No clip of the timeline is heard.")
        self.workspace.enter(Stage.READING)
        self.infos = [self._probe(index) for index in range(len(self.payload.sources))]
        self._refuse_torn()
        self.workspace.enter(Stage.ENCODING)
        encoded = self._make()
        self._join(encoded)
        sized = bool(self.plan.pictures)
        return RenderResult(
            duration_ms=round(self.seconds * 1000),
            width=self.output.width if sized else None,
            height=self.output.height if sized else None,
            has_sound=encoded is not None,
            stretches=len(self.plan.pictures) + len(self.plan.sound),
            stretches_made=len(self.missing),
        )

    def _weights(self) -> dict[str, float]:
        weights = {
            one.name: one.length * (1.0 if one.name in self.picture_names else SOUND_WEIGHT)
            for one in self.missing
        }
        return {**weights, "": SOUND_WEIGHT * self.plan.frames * bool(self.plan.sound)}

    def _probe(self, index: int) -> SourceInfo | None:
        self.workspace.progress(0.0)
        if self.payload.sources[index] is None:
            return None
        path, name = self.workspace.input("sources", index), self.timeline.sources[index].name
        try:
            replace_by_png(path)
        except EngineError as exc:
            raise unreadable(name) from exc
        return probe(path, name)

    def _refuse_torn(self) -> None:
        is_seen = bool(self.plan.pictures)
        for track in self.timeline.tracks:
            for clip in track.clips:
                found = self.infos[clip.source]
                heard = list(self.timeline.heard(track, clip))
                shows = track.shows and is_seen
                if found is not None and found.lacks(clip, shows=shows, heard=heard):
                    raise torn(self.timeline.sources[clip.source].name)

    def _make(self) -> Path | None:
        """Make what is missing, pictures and sound side by side; returns the encoded sound."""
        seen = [one for one in self.missing if one.name in self.picture_names]
        at_once = segments_at_once(len(seen), self.cores, self.output)
        threads = max(THREADS, self.cores // at_once)
        with ThreadPoolExecutor(at_once) as makers, ThreadPoolExecutor(1) as mixer:
            mixed = mixer.submit(self._make_sound)
            made = [makers.submit(self._make_pictures, one, threads) for one in seen]
            work: list[Future[Any]] = [mixed, *made]
            try:
                done, _ = wait(work, return_when=FIRST_EXCEPTION)
            finally:
                # Whatever ended it, nothing goes on alone.
                self.shares.stop()
                makers.shutdown(wait=False, cancel_futures=True)
            errors = [error for one in done if (error := one.exception())]
            if errors:
                raise next((one for one in errors if not isinstance(one, StoppedError)), errors[0])
            return mixed.result()

    def _make_pictures(self, segment: RenderSegment, threads: int) -> None:
        folder = self.workspace.scratch(f"captions-{segment.name}")
        style = self.timeline.captions_style or DEFAULT
        drawn = list(draw_captions(segment.words, style, self.output, folder))
        target = self._path(segment)
        arguments = pictures.arguments(segment, self.infos, drawn, self.output, target, threads)
        self._run(segment, arguments)
        if _count_frames(target) != segment.length:
            raise self._failed(segment, "FFmpeg has not written all frames")
        self._keep(segment)

    def _make_sound(self) -> Path | None:
        for segment in self.missing:
            if segment.name not in self.picture_names:
                self._run(
                    segment,
                    sound.arguments(segment, self.infos, self.output, self._path(segment)),
                )
                self._keep(segment)
        return self._encode_sound() if self.plan.sound else None

    def _run(self, segment: RenderSegment, arguments: Sequence[str | Path]) -> None:
        """Run FFmpeg, again where it stands still: its threads may wait for each other."""
        seconds = float(segment.length / self.output.rate)
        for _ in range(TRIES):
            try:
                tell = moving(self.shares.of(segment.name), STILL_SECONDS)
                ffmpeg.run(arguments, seconds=seconds, progress=tell)
            except ffmpeg.FFmpegFailedError as exc:
                raise self._failed(segment, str(exc)) from exc
            except RenderStandsStillError:
                logger.warning("FFmpeg stood still at a segment")
            else:
                return
        raise EngineError(ErrorCode.GPU_UNAVAILABLE)

    def _keep(self, segment: RenderSegment) -> None:
        self.shares.of(segment.name)(1.0)
        self.workspace.keep("made", self.files.places[segment.name])

    def _failed(self, segment: RenderSegment, said: str) -> EngineError:
        """INPUT_INVALID with the names of what cannot be decoded, MODEL_ERROR where all can be."""
        is_shown = segment.name in self.picture_names
        inputs = (pictures if is_shown else sound).inputs(segment, self.infos, self.output)
        bad = {self.timeline.sources[place].name for place, one in inputs if not _decodes(one)}
        for place, one in enumerate(self.infos):
            said = said.replace(str(one.path), f"source {place}") if one else said
        logger.error("a segment could not be made: %s", said.replace(str(self.workspace.root), ""))
        return unreadable(", ".join(sorted(bad))) if bad else EngineError(ErrorCode.MODEL_ERROR)

    def _path(self, segment: RenderSegment) -> Path:
        found = self.files.found.get(segment.name)
        return found or self.workspace.output("made", self.files.places[segment.name])

    def _write_list(self, segments: Sequence[RenderSegment], name: str) -> list[str | Path]:
        paths = [self._path(one) for one in segments]
        lengths = [Fraction(one.length) / self.output.rate for one in segments]
        return joining.write_list(paths, lengths, self.workspace.scratch(name))

    def _encode_sound(self) -> Path:
        suffix = joining.SOUND_SUFFIX[self.output.format]
        target = self.workspace.scratch(f"sound{suffix}")
        source = self._write_list(self.plan.sound, "sound.ffconcat")
        joining.encode_sound(source, self.output, target, self.seconds, self.shares.of(""))
        return target

    def _join(self, encoded: Path | None) -> None:
        shown = None
        if self.plan.pictures:
            shown = self._write_list(self.plan.pictures, "pictures.ffconcat")
        embedded = self.output.captions is Captions.EMBEDDED and self.timeline.cues
        cues = self.workspace.scratch("captions.srt")
        joining.join(
            shown,
            encoded,
            joining.write_cues(self.timeline.cues, cues) if embedded else None,
            self.output,
            pictures.timescale(self.output.rate),
            self.workspace.output("result"),
            self.seconds,
            self.workspace.progress_within(1 - JOINING_SHARE, 1.0),
        )


def segments_at_once(segments: int, cores: int, output: Output) -> int:
    """As many as keep the cores busy, and as memory holds."""
    held = PIXELS_AT_ONCE // (output.width * output.height)
    return max(1, min(segments, max(LEAST_AT_ONCE, cores // THREADS), held))


def moving(tell: Progress, still_seconds: float) -> Progress:
    """The same.

    Raises ``RenderStandsStillError`` where it hears of no progress for so long.
    """
    furthest, since = -1.0, time.monotonic()

    def report(share: float) -> None:
        nonlocal furthest, since
        if share > furthest:
            furthest, since = share, time.monotonic()
        elif time.monotonic() - since > still_seconds:
            raise RenderStandsStillError
        tell(share)

    return report


def _decodes(arguments: Sequence[str | Path]) -> bool:
    """Whether anything comes of an input that is decoded alone."""
    return ffmpeg.decodes(["-abort_on", "empty_output", *arguments])


def _count_frames(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(stream.frames for stream in container.streams.video)
