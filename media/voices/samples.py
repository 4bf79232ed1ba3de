"""What a voice sample must be: a few seconds of one person's clear speech.

Only for the sandbox (`media.inspection`): it takes what FFmpeg and PocketSphinx take.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, BinaryIO

import numpy as np

from gpu_tasks.mediakit.audio import RATE, Block, Samples, SoundTrack
from gpu_tasks.mediakit.decoding import open_media
from gpu_tasks.mediakit.loudness import lifted
from gpu_tasks.mediakit.speech.speakers import labels, voice
from gpu_tasks.mediakit.speech.utterances import FRAME, MARGIN_FRAMES, Utterance, utterances
from gpu_tasks.runtime.errors import EngineError, InputRefusedError
from media.limits import MAX_SPEECH_MS, MIN_SPEECH_MS
from media.probes import IMAGE, UnsupportedMediaError
from media.probing import probe

MAX_SAMPLE_SECONDS = 120
"""Pauses included."""
SILENT_PEAK = 328
"""No sample of a sound reaches further from zero than this, 40 dB below full scale: silence."""
PLATEAU = 0.98
MAX_PLATEAU_SHARE = 0.01
"""More of the speech than this within 2 % of the peak: its waves were cut off (0.001 is usual)."""
OTHER_SPEAKER_SECONDS = 1.5
"""Less voiced sound than this of somebody else may as well be the same person, in another tone."""
NO_RECORDING = "A voice sample must be sound that we can read: a recording, or a film."


@dataclass(frozen=True)
class VoiceSample:
    """What was found; durations in milliseconds."""

    duration_ms: int
    speech_duration_ms: int


def examine_as_json(source: BinaryIO) -> dict[str, Any]:
    """What ``examine_sample`` finds, in plain values: for the sandbox."""
    return asdict(examine_sample(source))


def examine_sample(source: BinaryIO) -> VoiceSample:
    """Look at a whole file and listen to it; raises ``InputRefusedError``, as the checks below."""
    try:
        found = probe(source)
    except UnsupportedMediaError as exc:
        raise UnsupportedMediaError(detail=NO_RECORDING) from exc
    if found.type == IMAGE:
        raise UnsupportedMediaError(detail=NO_RECORDING)
    if not found.metadata["has_audio"]:
        raise InputRefusedError("no_sound", "The file has no sound.")
    check_length(found.duration_ms or 0)
    source.seek(0)
    blocks = _blocks(source)
    check_level(blocks)
    spoken = list(utterances(lifted(blocks)))
    speech_ms = sum(_speech_samples(one) for one in spoken) * 1000 // RATE
    check_speech(speech_ms)
    check_clipping(spoken)
    check_speaker(spoken)
    return VoiceSample(duration_ms=found.duration_ms or 0, speech_duration_ms=speech_ms)


def check_length(duration_ms: int) -> None:
    """Raise ``sample_too_long``."""
    if duration_ms > MAX_SAMPLE_SECONDS * 1000:
        most = f"A voice sample lasts {MAX_SAMPLE_SECONDS} seconds at most."
        raise InputRefusedError("sample_too_long", most)


def check_level(blocks: list[Block]) -> None:
    """Raise ``silent``."""
    if max((_peak(block.samples) for block in blocks), default=0) <= SILENT_PEAK:
        raise InputRefusedError("silent", "Nothing can be heard in this sample.")


def check_speech(speech_ms: int) -> None:
    """Raise ``too_little_speech`` or ``too_much_speech``."""
    if speech_ms < MIN_SPEECH_MS:
        least = f"A voice sample needs at least {MIN_SPEECH_MS // 1000} seconds of speech."
        raise InputRefusedError("too_little_speech", least)
    if speech_ms > MAX_SPEECH_MS:
        most = f"A voice sample has at most {MAX_SPEECH_MS // 1000} seconds of speech."
        raise InputRefusedError("too_much_speech", most)


def check_clipping(spoken: list[Utterance]) -> None:
    """Raise ``clipped``: its waves were cut off."""
    sound = np.abs(np.concatenate([one.samples for one in spoken]).astype(np.int32))
    if float(np.mean(sound >= PLATEAU * sound.max())) > MAX_PLATEAU_SHARE:
        detail = "The sample was recorded too loudly: its sound is distorted."
        raise InputRefusedError("clipped", detail)


def check_speaker(spoken: list[Utterance]) -> None:
    """Raise ``several_speakers``, unless it may be one person after all."""
    voices = [voice(one.samples) for one in spoken]
    seconds: dict[str, float] = {}
    for label, one in zip(labels(voices), voices, strict=True):
        seconds[label] = seconds.get(label, 0.0) + one.voiced_seconds
    if sum(sorted(seconds.values())[:-1]) >= OTHER_SPEAKER_SECONDS:
        detail = "More than one person seems to speak: a sample is of one voice."
        raise InputRefusedError("several_speakers", detail)


def _blocks(source: BinaryIO) -> list[Block]:
    try:
        with open_media(source) as container:
            return list(_bounded(SoundTrack(container).blocks()))
    except EngineError as exc:
        raise InputRefusedError("undecodable_sound", "The sound could not be decoded.") from exc


def _bounded(blocks: Iterator[Block]) -> Iterator[Block]:
    """The blocks, unless there are more of them than the container said."""
    for block in blocks:
        check_length(block.end * 1000 // RATE)
        yield block


def _peak(samples: Samples) -> int:
    return int(np.abs(samples.astype(np.int32)).max(initial=0))


def _speech_samples(utterance: Utterance) -> int:
    """Its length without the margins that the detector keeps around the speech."""
    return max(0, utterance.samples.size - 2 * MARGIN_FRAMES * FRAME)
