"""Find which voice speaks when, with pyannote. Only this module imports it, at its first use."""

import os
from collections.abc import Callable
from typing import Any

import torch

from gpu_tasks.mediakit.audio import RATE, Samples
from gpu_tasks.runtime.engine import Host
from gpu_tasks.transcription.contract import CONTRACT
from gpu_tasks.transcription.turns import Turn


class Diarization:
    """The pyannote pipeline, loaded at its first use."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._pipeline: Any = None

    def detect_turns(self, sound: Samples, tick: Callable[[float], None]) -> list[Turn]:
        """Return the turns of all voices, of which one at a time speaks.

        ``tick`` receives the completed share, and may raise to stop. Memory: 4 bytes for each
        sample.
        """
        waveform = torch.from_numpy(sound.astype("float32") / 32768).unsqueeze(0)
        diarization = self._get_pipeline()(
            {"waveform": waveform, "sample_rate": RATE}, hook=_Hook(tick)
        ).exclusive_speaker_diarization
        return [
            Turn(round(segment.start * 1000), round(segment.end * 1000), str(voice))
            for segment, _, voice in diarization.itertracks(yield_label=True)
        ]

    def _get_pipeline(self) -> Any:
        if self._pipeline is None:
            folder = self._host.weights(CONTRACT.models["diarization"])
            os.environ["PYANNOTE_METRICS_ENABLED"] = "0"  # else each use is reported to its makers
            from pyannote.audio import Pipeline  # noqa: PLC0415 - heavy, and not always wanted

            pipeline: Any = Pipeline.from_pretrained(folder)
            self._pipeline = pipeline.to(torch.device(self._host.device))
        return self._pipeline


class _Hook:
    """A progress hook of the pipeline, which has two long steps that count their work."""

    STEPS = ("segmentation", "embeddings")

    def __init__(self, tick: Callable[[float], None]) -> None:
        self._tick = tick
        self._share = 0.0

    def __call__(
        self,
        step_name: str,
        step_artifact: object,
        *,
        file: object = None,
        total: int | None = None,
        completed: int | None = None,
    ) -> None:
        if step_name in self.STEPS and total and completed is not None:
            share = (self.STEPS.index(step_name) + min(1.0, completed / total)) / len(self.STEPS)
            self._share = max(self._share, share)
        self._tick(self._share)
