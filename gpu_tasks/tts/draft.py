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
from gpu_tasks.tts.synthesisers import Synthesiser, installed
from gpu_tasks.tts.text import cleaned, pieces
from gpu_tasks.tts.voices import pitch_of, resampled, speech_of

MAX_PIECE_CHARACTERS = 250
PAUSE_SECONDS = 0.3
"""Between pieces, at the voice's own speed."""
MAX_SHIFT = 1.6
"""A voice is shifted by no more than this factor, up or down: beyond it nobody understands it."""
GAUGE = "The voice that you are hearing now was never recorded anywhere."
"""Says how high a synthesiser's voice is."""
MAX_SECONDS = 1200.0
"""Of a result, and of what is made for it at the voices' own speed, which is what takes time: flite
needed 46 s for as much on a busy core, and a call has 120. Prose of 5,000 letters lasts 310 s at
that speed; numbers, signs and words that are spelt last longer."""
UNREADABLE = "The draft engine cannot read a text in this script."


class DraftEngine(Engine):
    """Reads text aloud, one call at a time; each piece by the first that knows its letters."""

    def __init__(self, synthesisers: Sequence[Synthesiser]) -> None:
        self.model = ", ".join(one.model for one in synthesisers)
        self._synthesisers = synthesisers

    @classmethod
    def load(cls, host: Host) -> Self:
        """The engine with the synthesisers that this machine has."""
        return cls(installed())

    def run(self, payload: TtsPayload, workspace: Workspace) -> TtsResult:
        """Write the WAV file."""
        text = cleaned(payload.text)
        workspace.enter(Stage.GENERATING)
        pitch = pitch_of(speech_of(workspace.input("voice"))) if payload.voice else None
        parts: list[Wave] = []
        read = 0
        seconds = 0.0
        for piece in pieces(text, MAX_PIECE_CHARACTERS):
            workspace.progress(read / len(text))
            spoken = self._speak(piece, pitch, payload.speed)
            if spoken.size:
                parts += [spoken, sound.pause(PAUSE_SECONDS / payload.speed)]
            seconds += spoken.size / SAMPLE_RATE * max(1.0, payload.speed)
            if seconds > MAX_SECONDS:
                percent = math.ceil(100 * (1 - read / len(text)))
                too_long = planning.TOO_LONG.format(percent=percent)
                raise EngineError(ErrorCode.INPUT_INVALID, too_long)
            read += len(piece)
        whole = sound.levelled(sound.joined(parts[:-1]))
        if not whole.any():
            raise EngineError(ErrorCode.INPUT_INVALID, UNREADABLE)
        duration_ms = sound.write(workspace.output("result"), whole)
        workspace.progress(1.0)
        return TtsResult(duration_ms=duration_ms, sample_rate=SAMPLE_RATE, characters=len(text))

    def _speak(self, piece: str, pitch: float | None, speed: float) -> Wave:
        able = (one for one in self._synthesisers if one.reads(piece))
        synthesiser = next(able, self._synthesisers[0])
        name, shift = _voice(synthesiser, pitch) if pitch else (synthesiser.voices[0], 1.0)
        spoken, rate = synthesiser.speak(piece, name)
        return sound.shaped(spoken, rate, pitch=shift, speed=speed) if spoken.size else spoken


def _voice(synthesiser: Synthesiser, pitch: float) -> tuple[str, float]:
    """The voice nearest to a pitch, and the factor by which to shift it."""
    shifts = {name: pitch / _pitch(synthesiser, name) for name in synthesiser.voices}
    name = min(shifts, key=lambda name: abs(np.log(shifts[name])))
    return name, float(np.clip(shifts[name], 1 / MAX_SHIFT, MAX_SHIFT))


@cache
def _pitch(synthesiser: Synthesiser, name: str) -> float:
    spoken, rate = synthesiser.speak(GAUGE, name)
    return pitch_of(resampled((spoken * 32767).astype(np.int16), rate, RATE))
