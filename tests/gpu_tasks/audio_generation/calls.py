"""Calls of the audio generation function, and what they wrote."""

import wave
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import numpy as np

from gpu_tasks.audio_generation.contract import (
    CHANNELS,
    CONTENT_TYPE,
    RATE,
    AudioGenerationPayload,
    AudioGenerationResult,
)
from gpu_tasks.audio_generation.wav import Floats
from gpu_tasks.runtime.contract import OutputFile
from gpu_tasks.runtime.engine import Engine
from tests.gpu_tasks.workspaces import workspace


def payload(prompt: str = "rain", duration_sec: int = 1, seed: int = 1) -> AudioGenerationPayload:
    """Return the payload of a call."""
    return AudioGenerationPayload(
        job_id=uuid4(),
        attempt_id=uuid4(),
        callback_url="http://127.0.0.1:9/callback",
        prompt=prompt,
        duration_sec=duration_sec,
        seed=seed,
        result=OutputFile(key="r.wav", content_type=CONTENT_TYPE),
    )


def generate(
    engine: Engine,
    root: Path,
    request: AudioGenerationPayload,
    progress: Callable[[float], None] = lambda _share: None,
) -> tuple[AudioGenerationResult, Path]:
    """Return the result, and the file that was written."""
    files = workspace(root, inputs={}, outputs=["result"], progress=progress)
    result = engine.run(request, files)
    assert isinstance(result, AudioGenerationResult)
    return result, files.output("result")


def samples_of(path: Path) -> Floats:
    """Return the samples of a WAV file, between -1 and 1, in two rows."""
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getnchannels()) == (RATE, CHANNELS)
        content = file.readframes(file.getnframes())
    return np.frombuffer(content, "<i2").reshape(-1, CHANNELS).T / 32767


def centre_hertz(sound: Floats) -> float:
    """Return the middle of a sound's spectrum: half of its power lies above."""
    power = (np.abs(np.fft.rfft(sound)) ** 2).sum(axis=0).cumsum()
    return float(np.searchsorted(power, power[-1] / 2) * RATE / sound.shape[1])


def heard_loudness(path: Path) -> float:
    """Integrated loudness as FFmpeg measures it."""
    import av

    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        graph = av.filter.Graph()
        source = graph.add_abuffer(template=stream)
        meter = graph.add("ebur128", "metadata=1")
        sink = graph.add("abuffersink")
        graph.link_nodes(source, meter, sink).configure()
        measured = -np.inf
        for frame in container.decode(stream):
            graph.push(frame)
        graph.push(None)
        while True:
            try:
                filtered = graph.pull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return measured
            measured = float(filtered.metadata["lavfi.r128.I"])
