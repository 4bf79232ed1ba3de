"""A voice sample, listened to: its speech, and how high it is."""

from pathlib import Path

import numpy as np

from gpu_tasks.audio import RATE, Samples, SoundTrack
from gpu_tasks.decoding import open_media
from gpu_tasks.errors import EngineError, ErrorCode
from gpu_tasks.transcription.speakers import voice
from gpu_tasks.transcription.utterances import utterances

MAX_SAMPLE_SECONDS = 12.0
"""Speech past this is left out: F5-TTS knows a voice by less, and its memory grows with more."""
NO_SPEECH = "No speech can be heard in the voice sample."


def speech_of(path: Path) -> Samples:
    """The first utterances of a sample, 16 kHz, with its long pauses left out.

    Raises ``EngineError`` (INPUT_INVALID) where the file has no sound, or nobody speaks.
    """
    limit = int(MAX_SAMPLE_SECONDS * RATE)
    found: list[Samples] = []
    with open_media(path) as container:
        for utterance in utterances(SoundTrack(container).blocks()):
            size = sum(part.size for part in found)
            if found and size + utterance.samples.size > limit:
                break
            found.append(utterance.samples[:limit])
    if not found:
        raise EngineError(ErrorCode.INPUT_INVALID, NO_SPEECH)
    return np.concatenate(found)


def pitch_of(samples: Samples) -> float:
    """The median pitch in hertz of 16 kHz samples; raises as `speech_of` for no voice."""
    heard = voice(samples)
    if heard.voiced_seconds == 0.0:
        raise EngineError(ErrorCode.INPUT_INVALID, NO_SPEECH)
    return float(2 ** heard.point[-1])
