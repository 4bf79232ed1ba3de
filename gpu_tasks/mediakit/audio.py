"""The sound of any media as mono samples, streamed: memory does not grow with its length."""

from collections.abc import Iterator
from dataclasses import dataclass

import av
import av.error
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer
from numpy.typing import NDArray

from gpu_tasks.mediakit.decoding import (
    LONGEST_SECONDS,
    TOLERANCE_SECONDS,
    TOO_LONG,
    find_audio_stream,
    find_header_seconds,
    get_zero,
    read_packets,
)
from gpu_tasks.runtime.errors import EngineError, ErrorCode

RATE = 16_000
"""The sample rate for analysis. Engines that produce sound use a higher one."""
MAX_UNDECODABLE_SHARE = 0.5
"""Damaged packets are skipped. Above this share of all packets the sound is refused."""
JITTER_SECONDS = 0.1
"""Time stamps this close to the counted samples are rounded; there is no gap."""
SOURCE_RATES = range(2_000, 1_000_001)
"""Plausible sample rates. With others, a few bytes would become hours of sound, or cost minutes."""
UNDECODABLE = "The sound could not be decoded."

Samples = NDArray[np.int16]
_DAMAGE = (av.error.FFmpegError, ValueError)


@dataclass(frozen=True)
class Block:
    """Consecutive samples; a ``start`` after the end of the block before means a gap."""

    start: int
    """Position of the first sample, in samples from the start of the media."""
    samples: Samples
    share: float
    """The share of the media that has been read, 0 to 1."""

    @property
    def end(self) -> int:
        """Return the position after the last sample."""
        return self.start + self.samples.size


class SoundTrack:
    """The sound of an open container; of several streams, the one that players play.

    Time zero is the start of the container, as players show it: sound that begins later than the
    picture keeps its offset. Errors are ``EngineError`` with INPUT_INVALID.
    """

    def __init__(self, container: InputContainer, *, rate: int = RATE) -> None:
        if not container.streams.audio:
            raise EngineError(ErrorCode.INPUT_INVALID, "The file has no sound.")
        stream = find_audio_stream(container)
        if stream is None:
            raise EngineError(ErrorCode.INPUT_INVALID, UNDECODABLE)
        self._container = container
        self._stream = stream
        self._header_seconds = find_header_seconds(container)
        self._rate = rate
        self._end = 0

    @property
    def duration_ms(self) -> int:
        """Return the media's duration; if its header has none, as far as it has been read."""
        return int(max(self._header_seconds or 0, self._end / self._rate) * 1000)

    def blocks(self) -> Iterator[Block]:
        """Yield all the sound in order of time.

        Raises ``EngineError`` if the sound is longer than the header says, or, at the end, if too
        little could be decoded.
        """
        timeline = SampleConverter(float(self._header_seconds or LONGEST_SECONDS), self._rate)
        zero = get_zero(self._container)
        share = 0.0
        count = undecodable = 0
        for packet in read_packets(self._container, [self._stream]):
            count += 1
            try:
                parts = [
                    part
                    for frame in packet.decode()
                    for part in timeline.convert(frame, _get_seconds(frame, zero))
                ]
            except _DAMAGE:
                undecodable += 1
                continue
            share = max(share, self._estimate_share(packet))
            yield from self._yield_blocks(parts, share)
        yield from self._yield_blocks(timeline.flush(), 1.0)
        if self._end == 0 or undecodable > MAX_UNDECODABLE_SHARE * count:
            raise EngineError(ErrorCode.INPUT_INVALID, UNDECODABLE)

    def _yield_blocks(self, parts: list[tuple[int, Samples]], share: float) -> Iterator[Block]:
        for start, samples in parts:
            self._end = start + samples.size
            if self._header_seconds is not None:
                longest = self._header_seconds + TOLERANCE_SECONDS
                if self._end > longest * self._rate:
                    raise EngineError(ErrorCode.INPUT_INVALID, TOO_LONG)
            yield Block(start, samples, share)

    def _estimate_share(self, packet: "av.Packet[AudioStream]") -> float:
        if self._header_seconds:
            return min(1.0, self._end / self._rate / float(self._header_seconds))
        size = self._container.size
        return min(1.0, (packet.pos or 0) / size) if size > 0 else 0.0


class SampleConverter:
    """A converter of decoded frames that tracks the position of their samples.

    Positions count samples, so that rounded time stamps cause no gaps. They follow time stamps that
    jump ahead. Time stamps that jump back, or past ``limit`` seconds, are damage: the samples then
    follow each other.
    """

    def __init__(self, limit: float, rate: int = RATE) -> None:
        self._limit = limit
        self._rate = rate
        self._expected: float | None = None
        self._position = 0
        self._resampler: AudioResampler | None = None
        self._source: tuple[str, str, int] | None = None

    def convert(self, frame: AudioFrame, seconds: float | None) -> list[tuple[int, Samples]]:
        """Return start and samples of what ``frame``, stamped ``seconds``, makes available."""
        if frame.sample_rate not in SOURCE_RATES:
            raise ValueError(f"{frame.sample_rate} samples a second")
        parts = []
        is_jump = seconds is not None and self._is_ahead(seconds)
        source = (frame.format.name, frame.layout.name, frame.sample_rate)
        if is_jump or source != self._source:
            parts = self.flush()
            self._source = source
            self._resampler = AudioResampler(format="s16", layout="mono", rate=self._rate)
        if is_jump and seconds is not None:
            self._expected = seconds
            self._position = max(self._position, round(seconds * self._rate))
        self._expected = (self._expected or 0.0) + frame.samples / frame.sample_rate
        return parts + self._convert_frame(frame)

    def flush(self) -> list[tuple[int, Samples]]:
        """Return the samples that the converter holds back, or nothing if it has failed."""
        try:
            return self._convert_frame(None)
        except _DAMAGE:
            return []
        finally:
            self._resampler = None

    def _is_ahead(self, seconds: float) -> bool:
        if seconds > self._limit:
            return False
        return self._expected is None or seconds > self._expected + JITTER_SECONDS

    def _convert_frame(self, frame: AudioFrame | None) -> list[tuple[int, Samples]]:
        parts = []
        for converted in self._resampler.resample(frame) if self._resampler else []:
            samples = converted.to_ndarray().reshape(-1).astype(np.int16, copy=False)
            parts.append((self._position, samples))
            self._position += samples.size
        return parts


def _get_seconds(frame: AudioFrame, zero: float) -> float | None:
    return None if frame.time is None else frame.time - zero
