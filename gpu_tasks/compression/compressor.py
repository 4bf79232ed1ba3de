"""Compress one file: the steps that both engines share, each with its own encoders."""

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
    can_decode_sound,
    copy,
    encode,
    encode_in_two_passes,
)
from gpu_tasks.compression.likeness import measure_likeness
from gpu_tasks.compression.plans import CompressionPlan
from gpu_tasks.compression.source import MediaInfo
from gpu_tasks.mediakit import audio, ffmpeg, film
from gpu_tasks.runtime.engine import Engine, Workspace
from gpu_tasks.runtime.errors import EngineError, ErrorCode
from gpu_tasks.runtime.stages import Stage

TRIES = 5
"""For a size: each try asks for less, in proportion to how much the last result was too large."""
CAUTION = 0.97
ENCODING_SHARE = 0.85
"""The share of the progress that encoding takes; the rest is for measuring the likeness."""
TRY_SHARE = 0.6
"""Each try takes this share of what remains of the encoding's progress."""
NOTHING_TO_GAIN = (
    "The file is smaller already than what it would become, and cannot be kept as it is."
)

MP4_PICTURES = frozenset({"h264", "hevc", "av1", "vp9", "mpeg4"})
WEB_PIXELS = frozenset({"yuv420p", "yuvj420p"})


class Compressor(Engine):
    """An engine that compresses with encoders and presets of its choice."""

    @abstractmethod
    def choose_encoder(self, codec: Codec, pixels: float, *, deep: bool) -> Encoder:
        """Return the encoder for so many pixels; ``deep`` ones have more than eight bits."""

    @abstractmethod
    def choose_preset(self, codec: Codec, pixels: float) -> str:
        """Return the software preset for encoding so many pixels at a bit rate."""

    def run(self, payload: CompressionPayload, workspace: Workspace) -> CompressionResult:
        """Write the smaller file; return how it compares with the source."""
        workspace.enter(Stage.ENCODING)
        media = source.probe(
            workspace.input("media"), pictures=payload.result.content_type == VIDEO
        )
        compression = _Compression(media, workspace, self)
        try:
            if isinstance(payload.target, int):
                plan = compression.compress_to_size(payload.target)
            else:
                plan = compression.compress_to_quality(payload.target, payload.codec)
            return compression.result(plan)
        except ffmpeg.FFmpegFailedError as exc:
            raise EngineError(ErrorCode.INPUT_INVALID, _build_fault_message(media)) from exc


class _Compression:
    """The work of one call.

    Its methods return the plan of the file at the output, or None if it is a copy of the source.
    """

    def __init__(self, media: MediaInfo, workspace: Workspace, compressor: Compressor) -> None:
        self._source = media
        self._workspace = workspace
        self._compressor = compressor
        self._path = workspace.output("result")
        self._share = 0.0

    def compress_to_quality(self, target: str, codec: Codec | None) -> CompressionPlan | None:
        codecs = () if codec is None else (codec,)
        build_plan = plans.plan_for_web if target == "web" else plans.plan_for_archive
        plan = build_plan(self._source, *codecs)
        self._encode_to_quality(plan, self._partial_progress(0, TRY_SHARE * ENCODING_SHARE))
        if self._output_bytes < self._source.size_bytes:
            return plan
        if codec is not None and plan.pictures is not None:
            raise EngineError(ErrorCode.INPUT_INVALID, NOTHING_TO_GAIN)
        if self._copy_source(for_web=target == "web"):
            return None
        if target == "web":
            return self._fit_in_source(previous_tries=1)
        return self._encode_archive_smaller(plan)

    def compress_to_size(self, size_bytes: int) -> CompressionPlan | None:
        if size_bytes < self._source.size_bytes:
            return self._encode_to_size(size_bytes)
        if self._copy_source(for_web=True, most_bytes=size_bytes):
            return None
        return self._fit_in_source(previous_tries=0)

    def result(self, plan: CompressionPlan | None) -> CompressionResult:
        result_media = source.probe(self._path, pictures=self._source.pictures is not None)
        if result_media.seconds < film.MIN_DECODED_SHARE * self._source.seconds:
            raise EngineError(ErrorCode.INPUT_INVALID, _build_fault_message(self._source))
        likeness = 1.0 if self._source.pictures else None
        if plan is not None and plan.pictures is not None:
            progress = self._partial_progress(ENCODING_SHARE, 1.0)
            likeness = measure_likeness(self._source, plan.pictures, self._path, progress)
        self._workspace.progress(1.0)
        return CompressionResult(
            duration_ms=round(result_media.seconds * 1000),
            size_bytes=result_media.size_bytes,
            source_bytes=self._source.size_bytes,
            ratio=round(result_media.size_bytes / self._source.size_bytes, 6),
            ssim=likeness,
            kept_source=plan is None,
            video_codec=result_media.pictures and result_media.pictures.codec,
            audio_codec=result_media.sound and result_media.sound.codec,
            width=result_media.pictures and result_media.pictures.width,
            height=result_media.pictures and result_media.pictures.height,
        )

    @property
    def _output_bytes(self) -> int:
        return self._path.stat().st_size

    def _partial_progress(self, begin: float, end: float) -> Callable[[float], None]:
        """Return a function that reports a part of the work as progress of the whole.

        The reported progress never decreases.
        """

        def report(share: float) -> None:
            self._share = max(self._share, begin + (end - begin) * share)
            self._workspace.progress(self._share)

        return report

    def _encode_to_quality(self, plan: CompressionPlan, progress: Callable[[float], None]) -> None:
        pictures = plan.pictures
        if pictures is None:
            encode(self._source, plan, None, self._path, progress)
            return
        pixels = pictures.pixel_rate * self._source.seconds
        deep = bool(
            self._source.pictures and self._source.pictures.is_deep and pictures.keeps_range
        )
        encoder = self._compressor.choose_encoder(pictures.codec, pixels, deep=deep)
        try:
            encode(self._source, plan, encoder, self._path, progress)
        except ffmpeg.FFmpegFailedError:
            if encoder.name in encoders.SOFTWARE.values():
                raise
            # A device may reject the size or be out of memory; software then encodes.
            preset = self._compressor.choose_preset(pictures.codec, pixels)
            encode(
                self._source,
                plan,
                encoders.find_software_encoder(pictures.codec, preset),
                self._path,
                progress,
            )

    def _encode_to_size(self, size_bytes: int, previous_tries: int = 0) -> CompressionPlan:
        """Encode within the size, in as many tries as needed; raise INPUT_INVALID if none fits."""
        budget, smallest = float(size_bytes), 0
        for number in range(previous_tries, previous_tries + TRIES):
            plan = plans.plan_for_size(self._source, budget)
            begin, end = (
                ENCODING_SHARE * (1 - (1 - TRY_SHARE) ** index) for index in (number, number + 1)
            )
            self._encode_to_rate(plan, self._partial_progress(begin, end))
            if self._output_bytes <= size_bytes:
                return plan
            smallest = min(smallest or self._output_bytes, self._output_bytes)
            budget *= CAUTION * size_bytes / self._output_bytes
        raise plans.build_unreachable_error(smallest)

    def _encode_to_rate(self, plan: CompressionPlan, progress: Callable[[float], None]) -> None:
        if plan.pictures is None:
            encode(self._source, plan, None, self._path, progress)
            return
        pixels = plan.pictures.pixel_rate * self._source.seconds
        encode_in_two_passes(
            self._source,
            plan,
            # Two passes cost about as much as two encodings.
            self._compressor.choose_preset(plan.pictures.codec, 2 * pixels),
            self._workspace.scratch("pass"),
            self._path,
            progress,
        )

    def _fit_in_source(self, previous_tries: int) -> CompressionPlan:
        """Encode to at most the source's size, because the usual quality would be larger."""
        try:
            return self._encode_to_size(self._source.size_bytes, previous_tries)
        except EngineError as exc:
            raise EngineError(ErrorCode.INPUT_INVALID, NOTHING_TO_GAIN) from exc

    def _encode_archive_smaller(self, plan: CompressionPlan) -> CompressionPlan:
        smaller_plan = plans.plan_smaller_archive(plan)
        if smaller_plan is not None:
            self._encode_to_quality(
                smaller_plan, self._partial_progress(TRY_SHARE * ENCODING_SHARE, ENCODING_SHARE)
            )
            if self._output_bytes < self._source.size_bytes:
                return smaller_plan
        raise EngineError(ErrorCode.INPUT_INVALID, NOTHING_TO_GAIN)

    def _copy_source(self, *, for_web: bool, most_bytes: float = math.inf) -> bool:
        """Copy the source's own pictures and sound to the output, if they fit the target.

        The result may be larger than the source by the overhead of MP4.
        """
        is_fit = _is_fit_for_web(self._source) if for_web else _is_fit_for_archive(self._source)
        if not is_fit:
            return False
        copy(
            self._source,
            self._path,
            private=for_web,
            progress=self._partial_progress(0, ENCODING_SHARE),
        )
        if self._output_bytes > self._source.size_bytes and self._source.is_mp4 and not for_web:
            shutil.copyfile(self._source.path, self._path)
        most_bytes = min(
            most_bytes, self._source.size_bytes + plans.estimate_container_bytes(self._source)
        )
        return self._output_bytes <= most_bytes


def _build_fault_message(media: MediaInfo) -> str:
    """Return the error message for the stream of the source that cannot be decoded."""
    if media.pictures is None or (media.sound is not None and not can_decode_sound(media)):
        return audio.UNDECODABLE
    return film.UNDECODABLE


def _is_fit_for_archive(media: MediaInfo) -> bool:
    pictures = media.pictures
    pictures_fit = pictures is None or (pictures.codec in MP4_PICTURES and not pictures.is_rotated)
    tracks = (*([media.sound] if media.sound else []), *media.other_sounds)
    return pictures_fit and all(track.codec in plans.COMPRESSED_SOUND for track in tracks)


def _is_fit_for_web(media: MediaInfo) -> bool:
    sound = media.sound
    return _is_playable_everywhere(media) and (
        sound is None or (sound.codec == "aac" and sound.channels <= 2)
    )


def _is_playable_everywhere(media: MediaInfo) -> bool:
    pictures = media.pictures
    if pictures is None:
        return True
    sides = (max(pictures.width, pictures.height), min(pictures.width, pictures.height))
    return (
        pictures.codec == Codec.H264
        and pictures.pixel_format in WEB_PIXELS
        and not pictures.is_hdr
        and not pictures.is_rotated
        and pictures.frame_rate <= plans.WEB_RATE
        and all(side <= limit for side, limit in zip(sides, plans.WEB_SIDES, strict=True))
    )
