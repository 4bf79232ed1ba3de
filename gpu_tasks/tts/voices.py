"""Analyse a voice sample: its speech and its pitch."""

from itertools import takewhile
from pathlib import Path

import numpy as np

from gpu_tasks.mediakit.audio import RATE, Block, Samples, SoundTrack
from gpu_tasks.mediakit.decoding import open_media
from gpu_tasks.mediakit.loudness import amplify_if_quiet
from gpu_tasks.mediakit.speech.speakers import measure_voice
from gpu_tasks.mediakit.speech.utterances import split_into_utterances
from gpu_tasks.runtime.errors import EngineError, ErrorCode

MAX_SPEECH_SECONDS = 12.0
"""Later speech is left out: F5-TTS needs less to know a voice, and its memory grows with more."""
MAX_READ_SECONDS = 120
"""The rest of the file is not read."""
NO_SPEECH = "No speech can be heard in the voice sample."


def read_speech(path: Path, rate: int = RATE) -> Samples:
    """Return the first utterances of a sample at a rate, without its long pauses.

    Raise ``EngineError`` (INPUT_INVALID) if the file has no sound, or nobody speaks.
    """
    sound = _read_sound(path, rate)
    limit = int(MAX_SPEECH_SECONDS * RATE)
    parts: list[Samples] = []
    size = 0
    for utterance in split_into_utterances([Block(0, resample(sound, rate, RATE), 1.0)]):
        if parts and size + utterance.samples.size > limit:
            break
        size = min(limit, size + utterance.samples.size)
        end = utterance.start + min(limit, utterance.samples.size)
        parts.append(sound[utterance.start * rate // RATE : end * rate // RATE])
    if not parts:
        raise EngineError(ErrorCode.INPUT_INVALID, NO_SPEECH)
    return np.concatenate(parts)


def measure_pitch(samples: Samples) -> float:
    """Return the median pitch in hertz of 16 kHz samples; raise as `read_speech` if unvoiced."""
    profile = measure_voice(samples)
    if profile.voiced_seconds == 0.0:
        raise EngineError(ErrorCode.INPUT_INVALID, NO_SPEECH)
    return float(2 ** profile.point[-1])


def resample(sound: Samples, rate: int, target_rate: int) -> Samples:
    """Return the sound at another rate, precise enough for speech analysis only."""
    if rate == target_rate:
        return sound
    positions = np.arange(0, sound.size, rate / target_rate)
    return np.interp(positions, np.arange(sound.size), sound).astype(np.int16)


def _read_sound(path: Path, rate: int) -> Samples:
    """Read all samples up to the limit; gaps are silence."""
    with open_media(path) as container:
        blocks = SoundTrack(container, rate=rate).blocks()
        blocks_read = list(takewhile(lambda block: block.end <= MAX_READ_SECONDS * rate, blocks))
    sound = np.zeros(blocks_read[-1].end if blocks_read else 0, np.int16)
    for block in amplify_if_quiet(blocks_read, rate):
        sound[block.start : block.end] = block.samples
    return sound
