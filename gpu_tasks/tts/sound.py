"""Process speech as samples: stretch, shift, join, level and write it."""

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
"""20 dB below full scale: loud for speech, with headroom for its peaks."""
MAX_PEAK = 0.89
"""1 dB below full scale: peaks stay below it, so that nothing clips in encoding."""
FRAME_SECONDS = 0.02
LOUD_SHARE = 0.01
"""Frames 20 dB below the loudest are pauses, which do not count for loudness."""
MIN_TEMPO = 0.5
"""The least tempo of FFmpeg's filter; a slower one needs two steps."""

Wave = NDArray[np.float32]
"""Mono samples between -1 and 1."""
SILENCE: Wave = np.zeros(0, np.float32)


def convert_pcm(samples: NDArray[np.int16]) -> Wave:
    """Convert samples of 16 bits to a wave."""
    return samples.astype(np.float32) / np.float32(32768)


def change_pitch_and_speed(sound: Wave, rate: int, *, pitch: float, speed: float) -> Wave:
    """Return the sound at ``SAMPLE_RATE``, its pitch and its speed multiplied by the given factors.

    Pitch is shifted by playing the samples faster or slower (which shifts the timbre with it, as a
    larger or smaller speaker would); FFmpeg's ``atempo`` (waveform similarity overlap-add) then
    corrects the tempo.
    """
    graph = av.filter.Graph()
    steps = [
        graph.add_abuffer(
            format="flt", layout="mono", sample_rate=rate, time_base=Fraction(1, rate)
        )
    ]
    steps.append(graph.add("asetrate", str(round(rate * pitch))))
    steps.append(graph.add("aresample", str(SAMPLE_RATE)))
    steps.extend(graph.add("atempo", f"{tempo:.6f}") for tempo in _split_tempo(speed / pitch))
    steps.append(
        graph.add("aformat", f"sample_fmts=flt:channel_layouts=mono:sample_rates={SAMPLE_RATE}")
    )
    steps.append(graph.add("abuffersink"))
    graph.link_nodes(*steps).configure()
    frame = av.AudioFrame.from_ndarray(sound.reshape(1, -1), format="flt", layout="mono")
    frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), 0
    graph.push(frame)
    graph.push(None)
    return join(list(_pull_frames(graph)))


def _split_tempo(tempo: float) -> list[float]:
    if abs(tempo - 1) < 1e-6:
        return []
    return [tempo] if tempo >= MIN_TEMPO else [tempo**0.5] * 2


def _pull_frames(graph: av.filter.Graph) -> Iterator[Wave]:
    while True:
        try:
            frame = graph.pull()
        except (EOFError, BlockingIOError):
            return
        yield frame.to_ndarray().reshape(-1).astype(np.float32, copy=False)


def join(parts: Sequence[Wave]) -> Wave:
    """Concatenate sounds."""
    return np.concatenate([SILENCE, *parts]).astype(np.float32, copy=False)


def build_silence(seconds: float) -> Wave:
    """Return silence."""
    return np.zeros(round(seconds * SAMPLE_RATE), np.float32)


def cross_fade(parts: Sequence[Wave], seconds: float) -> Wave:
    """Concatenate the parts, each faded linearly into the next over at most ``seconds``."""
    result = join(parts[:1])
    for part in parts[1:]:
        overlap = min(round(seconds * SAMPLE_RATE), result.size, part.size)
        fade = np.linspace(0, 1, overlap, dtype=np.float32)
        seam = result[result.size - overlap :] * (1 - fade) + part[:overlap] * fade
        result = join([result[: result.size - overlap], seam, part[overlap:]])
    return result


def level(sound: Wave) -> Wave:
    """Return the sound at the loudness of speech, as far as its peaks allow.

    Silence stays silent.
    """
    peak = float(np.abs(sound).max(initial=0.0))
    if peak == 0.0:
        return sound
    return sound * np.float32(min(SPEECH_RMS / _measure_loudness(sound), MAX_PEAK / peak))


def _measure_loudness(sound: Wave) -> float:
    """Return the root mean square of the sound without pauses."""
    frame = min(sound.size, round(FRAME_SECONDS * SAMPLE_RATE))
    power = (sound[: sound.size - sound.size % frame].reshape(-1, frame) ** 2).mean(axis=1)
    return float(np.sqrt(power[power >= LOUD_SHARE * power.max()].mean()))


def write(path: Path, sound: Wave) -> int:
    """Write a WAV file; return its duration in milliseconds."""
    samples = (np.clip(sound, -1, 1) * np.iinfo(np.int16).max).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(samples.tobytes())
    return max(1, round(samples.size * 1000 / SAMPLE_RATE))
