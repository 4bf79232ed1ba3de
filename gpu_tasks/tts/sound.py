"""Speech as samples: stretched, shifted, joined, brought to one loudness, written."""

import wave
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import av.filter
import numpy as np
from numpy.typing import NDArray

from gpu_tasks.tts.contract import SAMPLE_RATE

SPEECH_RMS = 0.1
"""20 dB below full scale, where speech is loud and its peaks have room."""
MAX_PEAK = 0.89
"""1 dB below full scale: no peak goes further, so nothing clips when it is encoded."""
FRAME_SECONDS = 0.02
LOUD_SHARE = 0.01
"""Frames 20 dB below the loud ones are pauses, which say nothing about loudness."""
MIN_TEMPO = 0.5
"""What FFmpeg's filter takes at once; slower goes in two steps."""

Wave = NDArray[np.float32]
"""Mono samples between -1 and 1."""
SILENCE: Wave = np.zeros(0, np.float32)


def from_pcm(samples: NDArray[np.int16]) -> Wave:
    """Samples of 16 bits as a wave."""
    return samples.astype(np.float32) / np.float32(32768)


def shaped(sound: Wave, rate: int, *, pitch: float, speed: float) -> Wave:
    """The sound at ``SAMPLE_RATE``, its pitch and its speed multiplied by the given factors.

    Pitch is shifted by playing the samples faster or slower (which shifts the timbre with it, as
    a larger or smaller speaker would), and the tempo is then mended by FFmpeg's ``atempo``
    (waveform similarity overlap-add).
    """
    graph = av.filter.Graph()
    steps = [
        graph.add_abuffer(
            format="flt", layout="mono", sample_rate=rate, time_base=Fraction(1, rate)
        )
    ]
    steps.append(graph.add("asetrate", str(round(rate * pitch))))
    steps.append(graph.add("aresample", str(SAMPLE_RATE)))
    steps.extend(graph.add("atempo", f"{tempo:.6f}") for tempo in _tempos(speed / pitch))
    steps.append(
        graph.add("aformat", f"sample_fmts=flt:channel_layouts=mono:sample_rates={SAMPLE_RATE}")
    )
    steps.append(graph.add("abuffersink"))
    graph.link_nodes(*steps).configure()
    frame = av.AudioFrame.from_ndarray(sound.reshape(1, -1), format="flt", layout="mono")
    frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), 0
    graph.push(frame)
    graph.push(None)
    return joined(list(_pulled(graph)))


def _tempos(tempo: float) -> list[float]:
    if abs(tempo - 1) < 1e-6:
        return []
    return [tempo] if tempo >= MIN_TEMPO else [tempo**0.5] * 2


def _pulled(graph: av.filter.Graph) -> Iterator[Wave]:
    while True:
        try:
            frame = graph.pull()
        except (EOFError, BlockingIOError):
            return
        yield frame.to_ndarray().reshape(-1).astype(np.float32, copy=False)


def joined(parts: Sequence[Wave]) -> Wave:
    """One sound after the other."""
    return np.concatenate([SILENCE, *parts]).astype(np.float32, copy=False)


def pause(seconds: float) -> Wave:
    """Silence."""
    return np.zeros(round(seconds * SAMPLE_RATE), np.float32)


def cross_faded(parts: Sequence[Wave], seconds: float) -> Wave:
    """The parts, each one faded linearly into the next over at most ``seconds``."""
    whole = joined(parts[:1])
    for part in parts[1:]:
        overlap = min(round(seconds * SAMPLE_RATE), whole.size, part.size)
        rising = np.linspace(0, 1, overlap, dtype=np.float32)
        seam = whole[whole.size - overlap :] * (1 - rising) + part[:overlap] * rising
        whole = joined([whole[: whole.size - overlap], seam, part[overlap:]])
    return whole


def levelled(sound: Wave) -> Wave:
    """The sound at the loudness of speech, as far as its peaks allow; silence stays silent."""
    peak = float(np.abs(sound).max(initial=0.0))
    if peak == 0.0:
        return sound
    return sound * np.float32(min(SPEECH_RMS / _loudness(sound), MAX_PEAK / peak))


def _loudness(sound: Wave) -> float:
    """The root mean square of what is not a pause."""
    frame = min(sound.size, round(FRAME_SECONDS * SAMPLE_RATE))
    power = (sound[: sound.size - sound.size % frame].reshape(-1, frame) ** 2).mean(axis=1)
    return float(np.sqrt(power[power >= LOUD_SHARE * power.max()].mean()))


def write(path: Path, sound: Wave) -> int:
    """Write a WAV file; returns its duration in milliseconds."""
    samples = (np.clip(sound, -1, 1) * np.iinfo(np.int16).max).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(samples.tobytes())
    return max(1, round(samples.size * 1000 / SAMPLE_RATE))
