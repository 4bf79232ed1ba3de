"""The production engine: F5-TTS, in the voice of a sample or in its stock voice."""

from dataclasses import dataclass
from importlib.resources import as_file, files
from typing import Any, Self

import numpy as np
import torch
from transformers import WhisperForConditionalGeneration, WhisperProcessor

from gpu_tasks.mediakit.audio import RATE, Samples
from gpu_tasks.runtime.engine import Engine, Host, Workspace
from gpu_tasks.runtime.errors import EngineError, ErrorCode
from gpu_tasks.runtime.stages import Stage
from gpu_tasks.tts import planning, sound
from gpu_tasks.tts.contract import CONTRACT, SAMPLE_RATE, TtsPayload, TtsResult
from gpu_tasks.tts.f5 import Speaker
from gpu_tasks.tts.planning import Reference, SpeechPlan
from gpu_tasks.tts.sound import SPEECH_RMS, Wave
from gpu_tasks.tts.text import clean
from gpu_tasks.tts.voices import NO_SPEECH, read_speech, resample

STOCK_VOICE = "infer/examples/basic/basic_ref_en.wav"
"""A file of the package `f5-tts`, under its licence."""
CROSS_FADE_SECONDS = 0.15
TAIL_SECONDS = 0.05
"""Silence after the sample, so that its last sound is not continued."""
MAX_TEXT_TOKENS = 200
LISTENING_SHARE = 0.05
"""The progress when the sample has been transcribed."""


class SampleTranscriber:
    """Whisper, which transcribes a voice sample."""

    def __init__(self, host: Host) -> None:
        folder = host.weights(CONTRACT.models["asr"])
        self._processor: Any = WhisperProcessor.from_pretrained(folder)
        self._model: Any = WhisperForConditionalGeneration.from_pretrained(
            folder, dtype=getattr(torch, host.dtype)
        ).to(host.device)

    def transcribe(self, speech: Samples) -> str:
        """Return what 16 kHz samples of at most 30 seconds say, in their own language."""
        features = self._processor(
            sound.convert_pcm(speech), sampling_rate=RATE, return_tensors="pt"
        ).input_features.to(self._model.device, self._model.dtype)
        with torch.inference_mode():
            tokens = self._model.generate(
                features, task="transcribe", max_new_tokens=MAX_TEXT_TOKENS, max_length=None
            )
        [text] = self._processor.batch_decode(tokens, skip_special_tokens=True)
        return " ".join(str(text).split())


@dataclass(frozen=True)
class Sample:
    """The voice to speak with: samples (1, n) at 24 kHz, their length and their text."""

    sound: Any
    reference: Reference


class ProductionEngine(Engine):
    """An engine that reads text aloud, one call at a time."""

    model = CONTRACT.models["tts"]

    def __init__(self, speaker: Speaker, listener: SampleTranscriber) -> None:
        self._speaker = speaker
        self._listener = listener

    @classmethod
    def load(cls, host: Host) -> Self:
        """Load the weights onto the device."""
        return cls(Speaker(host), SampleTranscriber(host))

    def run(self, payload: TtsPayload, workspace: Workspace) -> TtsResult:
        """Write the WAV file."""
        text = clean(payload.text)
        sample = self._load_sample(payload, workspace)
        workspace.enter(Stage.GENERATING)
        workspace.progress(LISTENING_SHARE)
        plan = planning.plan_speech(sample.reference, text, payload.speed)
        speech = sound.level(
            sound.cross_fade(
                self._speak_parts(payload, sample, plan, workspace), CROSS_FADE_SECONDS
            )
        )
        if not np.isfinite(speech).all() or not speech.any():
            raise EngineError(ErrorCode.MODEL_ERROR)
        duration_ms = sound.write(workspace.output("result"), speech)
        workspace.progress(1.0)
        return TtsResult(duration_ms=duration_ms, sample_rate=SAMPLE_RATE, characters=len(text))

    def _speak_parts(
        self, payload: TtsPayload, sample: Sample, plan: SpeechPlan, workspace: Workspace
    ) -> list[Wave]:
        completed_steps = 0

        def stepped() -> None:
            nonlocal completed_steps
            share = min(1.0, completed_steps / (plan.steps * len(plan.parts)))
            workspace.progress(LISTENING_SHARE + (1 - LISTENING_SHARE) * share)
            completed_steps += 1

        return [
            self._speaker.speak(
                sample.sound,
                f"{sample.reference.text} {part}",
                frames=length,
                sample_frames=sample.reference.frames,
                steps=plan.steps,
                seed=(payload.seed + index) % 2**31,
                stepped=stepped,
            )[0].numpy()
            for index, (part, length) in enumerate(zip(plan.parts, plan.lengths, strict=True))
        ]

    def _load_sample(self, payload: TtsPayload, workspace: Workspace) -> Sample:
        if payload.voice is None:
            with as_file(files("f5_tts").joinpath(STOCK_VOICE)) as path:
                return _build_sample(read_speech(path, SAMPLE_RATE), planning.STOCK.text)
        speech = read_speech(workspace.input("voice"), SAMPLE_RATE)
        workspace.enter(Stage.READING)
        workspace.progress(0.0)
        text = self._listener.transcribe(resample(speech, SAMPLE_RATE, RATE))
        if not any(map(str.isalnum, text)):
            raise EngineError(ErrorCode.INPUT_INVALID, NO_SPEECH)
        return _build_sample(speech, text)


def _build_sample(speech: Samples, text: str) -> Sample:
    wave = sound.join([sound.convert_pcm(speech), sound.build_silence(TAIL_SECONDS)])
    loudness = float(np.sqrt((wave**2).mean()))
    louder = wave * np.float32(max(1.0, SPEECH_RMS / max(loudness, 1e-6)))
    full_text = text if text.endswith((".", "!", "?", "。", "！", "？")) else f"{text}."
    reference = Reference(frames=wave.size // planning.HOP, text=full_text)
    return Sample(sound=torch.from_numpy(louder)[None], reference=reference)
