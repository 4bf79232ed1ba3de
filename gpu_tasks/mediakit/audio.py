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
    header_seconds,
    packets,
    zero_of,
)
from gpu_tasks.runtime.errors import EngineError, ErrorCode

RATE = 16_000
"""What is listened to; who makes sound asks for more."""
MAX_UNDECODABLE_SHARE = 0.5
"""Damaged packets are skipped; above this share of all there is no sound left worth the name."""
JITTER_SECONDS = 0.1
"""Timestamps this close to the samples counted so far are rounding, not a gap."""
SOURCE_RATES = range(2_000, 1_000_001)
"""Sample rates that exist; beyond them a few bytes would become hours, or cost minutes."""
UNDECODABLE = "The sound could not be decoded."

Samples = NDArray[np.int16]
_DAMAGE = (av.error.FFmpegError, ValueError)


@dataclass(frozen=True)
class Block:
    """Consecutive samples; a ``start`` after the end of the block before means a gap."""

    start: int
    """Where the first sample lies, counted in samples from the start of the media."""
    samples: Samples
    share: float
    """How much of the media has been read, 0 to 1."""

    @property
    def end(self) -> int:
        """Where the sample after the last would lie."""
        return self.start + self.samples.size


class SoundTrack:
    """The sound of an open container; of several, the one that players play.

    Time zero is the start of the container, as players show it: a sound that begins later than
    the picture keeps its offset. Errors are ``EngineError`` with INPUT_INVALID.
    """

    def __init__(self, container: InputContainer, *, rate: int = RATE) -> None:
        if not container.streams.audio:
            raise EngineError(ErrorCode.INPUT_INVALID, "The file has no sound.")
        stream = find_audio_stream(container)
        if stream is None:
            raise EngineError(ErrorCode.INPUT_INVALID, UNDECODABLE)
        self._container = container
        self._stream = stream
        self._header_seconds = header_seconds(container)
        self._rate = rate
        self._end = 0

    @property
    def duration_ms(self) -> int:
        """How long the media is; where its header does not tell, as far as it has been read."""
        return int(max(self._header_seconds or 0, self._end / self._rate) * 1000)

    def blocks(self) -> Iterator[Block]:
        """All the sound in order of time.

        Fails where it goes on beyond what the header says, and at the end if too little could be
        decoded.
        """
        timeline = Timeline(float(self._header_seconds or LONGEST_SECONDS), self._rate)
        zero = zero_of(self._container)
        share = 0.0
        count = undecodable = 0
        for packet in packets(self._container, [self._stream]):
            count += 1
            try:
                parts = [
                    part
                    for frame in packet.decode()
                    for part in timeline.place(frame, _seconds(frame, zero))
                ]
            except _DAMAGE:
                undecodable += 1
                continue
            share = max(share, self._share(packet))
            yield from self._report(parts, share)
        yield from self._report(timeline.flush(), 1.0)
        if self._end == 0 or undecodable > MAX_UNDECODABLE_SHARE * count:
            raise EngineError(ErrorCode.INPUT_INVALID, UNDECODABLE)

    def _report(self, parts: list[tuple[int, Samples]], share: float) -> Iterator[Block]:
        for start, samples in parts:
            self._end = start + samples.size
            if self._header_seconds is not None:
                longest = self._header_seconds + TOLERANCE_SECONDS
                if self._end > longest * self._rate:
                    raise EngineError(ErrorCode.INPUT_INVALID, TOO_LONG)
            yield Block(start, samples, share)

    def _share(self, packet: "av.Packet[AudioStream]") -> float:
        if self._header_seconds:
            return min(1.0, self._end / self._rate / float(self._header_seconds))
        size = self._container.size
        return min(1.0, (packet.pos or 0) / size) if size > 0 else 0.0


class Timeline:
    """Converts decoded frames and says where their samples lie.

    Positions count samples, so that the rounding of timestamps does not tear the sound; they
    follow the timestamps where those jump ahead. Timestamps that jump back, or past ``limit``
    seconds, are damage: the samples are then taken to follow each other.
    """

    def __init__(self, limit: float, rate: int = RATE) -> None:
        self._limit = limit
        self._rate = rate
        self._expected: float | None = None
        self._next = 0
        self._resampler: AudioResampler | None = None
        self._source: tuple[str, str, int] | None = None

    def place(self, frame: AudioFrame, seconds: float | None) -> list[tuple[int, Samples]]:
        """The start and samples of what ``frame``, stamped ``seconds``, makes available."""
        if frame.sample_rate not in SOURCE_RATES:
            raise ValueError(f"{frame.sample_rate} samples a second")
        parts = []
        jumps = seconds is not None and self._is_ahead(seconds)
        source = (frame.format.name, frame.layout.name, frame.sample_rate)
        if jumps or source != self._source:
            parts = self.flush()
            self._source = source
            self._resampler = AudioResampler(format="s16", layout="mono", rate=self._rate)
        if jumps and seconds is not None:
            self._expected = seconds
            self._next = max(self._next, round(seconds * self._rate))
        self._expected = (self._expected or 0.0) + frame.samples / frame.sample_rate
        return parts + self._converted(frame)

    def flush(self) -> list[tuple[int, Samples]]:
        """What the conversion still holds back; nothing where it had failed before."""
        try:
            return self._converted(None)
        except _DAMAGE:
            return []
        finally:
            self._resampler = None

    def _is_ahead(self, seconds: float) -> bool:
        if seconds > self._limit:
            return False
        return self._expected is None or seconds > self._expected + JITTER_SECONDS

    def _converted(self, frame: AudioFrame | None) -> list[tuple[int, Samples]]:
        parts = []
        for converted in self._resampler.resample(frame) if self._resampler else []:
            samples = converted.to_ndarray().reshape(-1).astype(np.int16, copy=False)
            parts.append((self._next, samples))
            self._next += samples.size
        return parts


def _seconds(frame: AudioFrame, zero: float) -> float | None:
    return None if frame.time is None else frame.time - zero
