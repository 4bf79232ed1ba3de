"""Compressing one file: the way that both engines go, each with its encoders."""

import math
import shutil
from abc import abstractmethod
from collections.abc import Callable

from gpu_tasks.compression import encoders, plans, source
from gpu_tasks.compression.contract import (
    VIDEO,
    Codec,
    CompressionPayload,
    CompressionResult,
)
from gpu_tasks.compression.encoders import Encoder
from gpu_tasks.compression.encoding import (
    copy,
    encode,
    encoded_in_two_passes,
    sound_decodes,
)
from gpu_tasks.compression.likeness import ssim
from gpu_tasks.compression.plans import CompressionPlan
from gpu_tasks.compression.source import MediaInfo
from gpu_tasks.mediakit import audio, ffmpeg, film
from gpu_tasks.runtime.engine import Engine, Workspace
from gpu_tasks.runtime.errors import EngineError, ErrorCode
from gpu_tasks.runtime.stages import Stage

TRIES = 5
"""For a size: each next one asks for less, by as much as the last was too large."""
CAUTION = 0.97
ENCODED_SHARE = 0.85
"""Of the progress; the rest is the measuring."""
TRY_SHARE = 0.6
"""Of what is left of that, each try takes so much."""
NOTHING_TO_GAIN = (
    "The file is smaller already than what it would become, and cannot be kept as it is."
)

MP4_PICTURES = frozenset({"h264", "hevc", "av1", "vp9", "mpeg4"})
WEB_PIXELS = frozenset({"yuv420p", "yuvj420p"})


class Compressor(Engine):
    """Compresses with encoders and presets of its choice."""

    @abstractmethod
    def encoder(self, codec: Codec, pixels: float, *, deep: bool) -> Encoder:
        """For so many pixels at a constant quality; ``deep`` have more than eight bits."""

    @abstractmethod
    def preset(self, codec: Codec, pixels: float) -> str:
        """For so many pixels at a given rate, by software."""

    def run(self, payload: CompressionPayload, workspace: Workspace) -> CompressionResult:
        """Write the smaller file; the result compares it with the source."""
        workspace.enter(Stage.ENCODING)
        found = source.probe(
            workspace.input("media"), pictures=payload.result.content_type == VIDEO
        )
        work = _Work(found, workspace, self)
        try:
            if isinstance(payload.target, int):
                plan = work.to_size(payload.target)
            else:
                plan = work.to_quality(payload.target, payload.codec)
            return work.result(plan)
        except ffmpeg.FFmpegFailedError as exc:
            raise EngineError(ErrorCode.INPUT_INVALID, _fault(found)) from exc


class _Work:
    """One call. Its methods return the plan of what lies at the output; None for a copy."""

    def __init__(self, found: MediaInfo, workspace: Workspace, compressor: Compressor) -> None:
        self._source = found
        self._workspace = workspace
        self._compressor = compressor
        self._path = workspace.output("result")
        self._done = 0.0

    def to_quality(self, target: str, codec: Codec | None) -> CompressionPlan | None:
        chosen = () if codec is None else (codec,)
        planned = plans.for_web if target == "web" else plans.for_archive
        plan = planned(self._source, *chosen)
        self._encode(plan, self._part(0, TRY_SHARE * ENCODED_SHARE))
        if self._size < self._source.size_bytes:
            return plan
        if codec is not None and plan.pictures is not None:
            raise EngineError(ErrorCode.INPUT_INVALID, NOTHING_TO_GAIN)
        if self._keep(for_web=target == "web"):
            return None
        if target == "web":
            return self._fit_in_source(tried=1)
        return self._less_for_archive(plan)

    def to_size(self, size_bytes: int) -> CompressionPlan | None:
        if size_bytes < self._source.size_bytes:
            return self._fit(size_bytes)
        if self._keep(for_web=True, most_bytes=size_bytes):
            return None
        return self._fit_in_source(tried=0)

    def result(self, plan: CompressionPlan | None) -> CompressionResult:
        made = source.probe(self._path, pictures=self._source.pictures is not None)
        if made.seconds < film.LEAST_DECODED * self._source.seconds:
            raise EngineError(ErrorCode.INPUT_INVALID, _fault(self._source))
        likeness = 1.0 if self._source.pictures else None
        if plan is not None and plan.pictures is not None:
            progress = self._part(ENCODED_SHARE, 1.0)
            likeness = ssim(self._source, plan.pictures, self._path, progress)
        self._workspace.progress(1.0)
        return CompressionResult(
            duration_ms=round(made.seconds * 1000),
            size_bytes=made.size_bytes,
            source_bytes=self._source.size_bytes,
            ratio=round(made.size_bytes / self._source.size_bytes, 6),
            ssim=likeness,
            kept_source=plan is None,
            video_codec=made.pictures and made.pictures.codec,
            audio_codec=made.sound and made.sound.codec,
            width=made.pictures and made.pictures.width,
            height=made.pictures and made.pictures.height,
        )

    @property
    def _size(self) -> int:
        return self._path.stat().st_size

    def _part(self, begin: float, end: float) -> Callable[[float], None]:
        """Reports of a part of the work, as the whole's; it never goes back."""

        def report(share: float) -> None:
            self._done = max(self._done, begin + (end - begin) * share)
            self._workspace.progress(self._done)

        return report

    def _encode(self, plan: CompressionPlan, progress: Callable[[float], None]) -> None:
        shown = plan.pictures
        if shown is None:
            encode(self._source, plan, None, self._path, progress)
            return
        pixels = shown.pixel_rate * self._source.seconds
        deep = bool(self._source.pictures and self._source.pictures.is_deep and shown.keeps_range)
        encoder = self._compressor.encoder(shown.codec, pixels, deep=deep)
        try:
            encode(self._source, plan, encoder, self._path, progress)
        except ffmpeg.FFmpegFailedError:
            if encoder.name in encoders.SOFTWARE.values():
                raise
            # What a device does not take (a size, a memory that is full), software does.
            preset = self._compressor.preset(shown.codec, pixels)
            encode(
                self._source,
                plan,
                encoders.find_software_encoder(shown.codec, preset),
                self._path,
                progress,
            )

    def _fit(self, size_bytes: int, tried: int = 0) -> CompressionPlan:
        """The best within that size, however often it takes."""
        budget, smallest = float(size_bytes), 0
        for number in range(tried, tried + TRIES):
            plan = plans.for_size(self._source, budget)
            begin, end = (ENCODED_SHARE * (1 - (1 - TRY_SHARE) ** n) for n in (number, number + 1))
            self._encode_to_rate(plan, self._part(begin, end))
            if self._size <= size_bytes:
                return plan
            smallest = min(smallest or self._size, self._size)
            budget *= CAUTION * size_bytes / self._size
        raise plans.unreachable(smallest)

    def _encode_to_rate(self, plan: CompressionPlan, progress: Callable[[float], None]) -> None:
        if plan.pictures is None:
            encode(self._source, plan, None, self._path, progress)
            return
        pixels = plan.pictures.pixel_rate * self._source.seconds
        encoded_in_two_passes(
            self._source,
            plan,
            # Two passes cost about as much as two encodings.
            self._compressor.preset(plan.pictures.codec, 2 * pixels),
            self._workspace.scratch("pass"),
            self._path,
            progress,
        )

    def _fit_in_source(self, tried: int) -> CompressionPlan:
        """What is no larger than the source, where the usual would be."""
        try:
            return self._fit(self._source.size_bytes, tried)
        except EngineError as exc:
            raise EngineError(ErrorCode.INPUT_INVALID, NOTHING_TO_GAIN) from exc

    def _less_for_archive(self, plan: CompressionPlan) -> CompressionPlan:
        less = plans.less_for_archive(plan)
        if less is not None:
            self._encode(less, self._part(TRY_SHARE * ENCODED_SHARE, ENCODED_SHARE))
            if self._size < self._source.size_bytes:
                return less
        raise EngineError(ErrorCode.INPUT_INVALID, NOTHING_TO_GAIN)

    def _keep(self, *, for_web: bool, most_bytes: float = math.inf) -> bool:
        """Put the source's own pictures and sound there, if they do for the target.

        In its new container it may be larger, by what MP4 takes.
        """
        does = _does_for_web(self._source) if for_web else _does_for_archive(self._source)
        if not does:
            return False
        copy(self._source, self._path, private=for_web, progress=self._part(0, ENCODED_SHARE))
        if self._size > self._source.size_bytes and self._source.is_mp4 and not for_web:
            shutil.copyfile(self._source.path, self._path)
        most_bytes = min(most_bytes, self._source.size_bytes + plans.container_bytes(self._source))
        return self._size <= most_bytes


def _fault(found: MediaInfo) -> str:
    """What of a source could not be decoded."""
    if found.pictures is None or (found.sound is not None and not sound_decodes(found)):
        return audio.UNDECODABLE
    return film.UNDECODABLE


def _does_for_archive(found: MediaInfo) -> bool:
    shown = found.pictures
    pictures = shown is None or (shown.codec in MP4_PICTURES and not shown.is_turned)
    sounds = (*([found.sound] if found.sound else []), *found.further)
    return pictures and all(one.codec in plans.COMPRESSED_SOUND for one in sounds)


def _does_for_web(found: MediaInfo) -> bool:
    sound = found.sound
    return _plays_everywhere(found) and (
        sound is None or (sound.codec == "aac" and sound.channels <= 2)
    )


def _plays_everywhere(found: MediaInfo) -> bool:
    shown = found.pictures
    if shown is None:
        return True
    sides = (max(shown.width, shown.height), min(shown.width, shown.height))
    return (
        shown.codec == Codec.H264
        and shown.pixel_format in WEB_PIXELS
        and not shown.is_hdr
        and not shown.is_turned
        and shown.frame_rate <= plans.WEB_RATE
        and all(side <= most for side, most in zip(sides, plans.WEB_SIDES, strict=True))
    )
