"""A voice sample, listened to: its speech, and how high it is."""

from itertools import takewhile
from pathlib import Path

import numpy as np

from gpu_tasks.mediakit.audio import RATE, Block, Samples, SoundTrack
from gpu_tasks.mediakit.decoding import open_media
from gpu_tasks.mediakit.loudness import lifted
from gpu_tasks.mediakit.speech.speakers import voice
from gpu_tasks.mediakit.speech.utterances import utterances
from gpu_tasks.runtime.errors import EngineError, ErrorCode

MAX_SPEECH_SECONDS = 12.0
"""Speech past this is left out: F5-TTS knows a voice by less, and its memory grows with more."""
MAX_READ_SECONDS = 120
"""What comes later is not listened to."""
NO_SPEECH = "No speech can be heard in the voice sample."


def speech_of(path: Path, rate: int = RATE) -> Samples:
    """The first utterances of a sample at a rate, its long pauses left out.

    Raises ``EngineError`` (INPUT_INVALID) where the file has no sound, or nobody speaks.
    """
    sound = _sound(path, rate)
    limit = int(MAX_SPEECH_SECONDS * RATE)
    found: list[Samples] = []
    size = 0
    for utterance in utterances([Block(0, resampled(sound, rate, RATE), 1.0)]):
        if found and size + utterance.samples.size > limit:
            break
        size = min(limit, size + utterance.samples.size)
        end = utterance.start + min(limit, utterance.samples.size)
        found.append(sound[utterance.start * rate // RATE : end * rate // RATE])
    if not found:
        raise EngineError(ErrorCode.INPUT_INVALID, NO_SPEECH)
    return np.concatenate(found)


def pitch_of(samples: Samples) -> float:
    """The median pitch in hertz of 16 kHz samples; raises as `speech_of` for no voice."""
    heard = voice(samples)
    if heard.voiced_seconds == 0.0:
        raise EngineError(ErrorCode.INPUT_INVALID, NO_SPEECH)
    return float(2 ** heard.point[-1])


def resampled(sound: Samples, rate: int, wanted: int) -> Samples:
    """The sound at another rate, near enough to be listened to and no more."""
    if rate == wanted:
        return sound
    at = np.arange(0, sound.size, rate / wanted)
    return np.interp(at, np.arange(sound.size), sound).astype(np.int16)


def _sound(path: Path, rate: int) -> Samples:
    """All samples that are read, gaps as silence."""
    with open_media(path) as container:
        blocks = SoundTrack(container, rate=rate).blocks()
        read = list(takewhile(lambda block: block.end <= MAX_READ_SECONDS * rate, blocks))
    sound = np.zeros(read[-1].end if read else 0, np.int16)
    for block in lifted(read, rate):
        sound[block.start : block.end] = block.samples
    return sound
