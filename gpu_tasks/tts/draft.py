"""The draft engine: a classical synthesiser on a CPU, at the pitch of the voice sample."""

import math
from collections.abc import Sequence
from functools import cache
from typing import Self

import numpy as np

from gpu_tasks.mediakit.audio import RATE
from gpu_tasks.runtime.engine import Engine, Host, Workspace
from gpu_tasks.runtime.errors import EngineError, ErrorCode
from gpu_tasks.runtime.stages import Stage
from gpu_tasks.tts import planning, sound
from gpu_tasks.tts.contract import SAMPLE_RATE, TtsPayload, TtsResult
from gpu_tasks.tts.sound import Wave
from gpu_tasks.tts.synthesisers import Synthesiser, list_installed
from gpu_tasks.tts.text import clean, split_into_pieces
from gpu_tasks.tts.voices import measure_pitch, read_speech, resample

MAX_PIECE_CHARACTERS = 250
PAUSE_SECONDS = 0.3
"""The pause between pieces, at the voice's own speed."""
MAX_SHIFT = 1.6
"""The largest factor of a pitch shift, up or down: beyond it, speech is unintelligible."""
GAUGE = "The voice that you are hearing now was never recorded anywhere."
"""Spoken to measure the pitch of a synthesiser's voice."""
MAX_SECONDS = 1200.0
"""The longest result, also at the voices' own speed, at which synthesis takes its time: flite
needed 46 s for as much on a busy core, and a call has 120. Prose of 5,000 letters lasts 310 s at
that speed; numbers, signs and spelt words last longer.
"""
UNREADABLE = "The draft engine cannot read a text in this script."


class DraftEngine(Engine):
    """An engine that reads each piece with the first synthesiser that knows its letters."""

    def __init__(self, synthesisers: Sequence[Synthesiser]) -> None:
        self.model = ", ".join(synthesiser.model for synthesiser in synthesisers)
        self._synthesisers = synthesisers

    @classmethod
    def load(cls, host: Host) -> Self:
        """Find the synthesisers that this machine has."""
        return cls(list_installed())

    def run(self, payload: TtsPayload, workspace: Workspace) -> TtsResult:
        """Write the WAV file."""
        text = clean(payload.text)
        workspace.enter(Stage.GENERATING)
        pitch = measure_pitch(read_speech(workspace.input("voice"))) if payload.voice else None
        parts: list[Wave] = []
        read_characters = 0
        seconds = 0.0
        for piece in split_into_pieces(text, MAX_PIECE_CHARACTERS):
            workspace.progress(read_characters / len(text))
            piece_sound = self._speak_piece(piece, pitch, payload.speed)
            if piece_sound.size:
                parts += [piece_sound, sound.build_silence(PAUSE_SECONDS / payload.speed)]
            seconds += piece_sound.size / SAMPLE_RATE * max(1.0, payload.speed)
            if seconds > MAX_SECONDS:
                percent = math.ceil(100 * (1 - read_characters / len(text)))
                message = planning.TOO_LONG.format(percent=percent)
                raise EngineError(ErrorCode.INPUT_INVALID, message)
            read_characters += len(piece)
        speech = sound.level(sound.join(parts[:-1]))
        if not speech.any():
            raise EngineError(ErrorCode.INPUT_INVALID, UNREADABLE)
        duration_ms = sound.write(workspace.output("result"), speech)
        workspace.progress(1.0)
        return TtsResult(duration_ms=duration_ms, sample_rate=SAMPLE_RATE, characters=len(text))

    def _speak_piece(self, piece: str, pitch: float | None, speed: float) -> Wave:
        candidates = (candidate for candidate in self._synthesisers if candidate.can_read(piece))
        synthesiser = next(candidates, self._synthesisers[0])
        name, shift = _choose_voice(synthesiser, pitch) if pitch else (synthesiser.voices[0], 1.0)
        samples, rate = synthesiser.speak(piece, name)
        return (
            sound.change_pitch_and_speed(samples, rate, pitch=shift, speed=speed)
            if samples.size
            else samples
        )


def _choose_voice(synthesiser: Synthesiser, pitch: float) -> tuple[str, float]:
    """Return the voice nearest to a pitch, and the factor by which to shift it."""
    shifts = {name: pitch / _measure_pitch(synthesiser, name) for name in synthesiser.voices}
    name = min(shifts, key=lambda name: abs(np.log(shifts[name])))
    return name, float(np.clip(shifts[name], 1 / MAX_SHIFT, MAX_SHIFT))


@cache
def _measure_pitch(synthesiser: Synthesiser, name: str) -> float:
    samples, rate = synthesiser.speak(GAUGE, name)
    return measure_pitch(resample((samples * 32767).astype(np.int16), rate, RATE))
