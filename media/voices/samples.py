"""Check voice samples: a sample is a few seconds of one person's clear speech.

Only for use in the sandbox (`media.inspection`), with the memory of FFmpeg and PocketSphinx.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, BinaryIO

import numpy as np

from gpu_tasks.mediakit.audio import RATE, Block, Samples, SoundTrack
from gpu_tasks.mediakit.decoding import open_media
from gpu_tasks.mediakit.loudness import amplify_if_quiet
from gpu_tasks.mediakit.speech.speakers import label_speakers, measure_voice
from gpu_tasks.mediakit.speech.utterances import (
    FRAME,
    MARGIN_FRAMES,
    Utterance,
    split_into_utterances,
)
from gpu_tasks.runtime.errors import EngineError, InputRefusedError
from media.limits import MAX_SPEECH_MS, MIN_SPEECH_MS
from media.probes import IMAGE, UnsupportedMediaError
from media.probing import probe

MAX_SAMPLE_SECONDS = 120
"""The longest sample, including pauses."""
SILENT_PEAK = 328
"""The highest peak of a silent recording, 40 dB below full scale."""
PLATEAU = 0.98
MAX_PLATEAU_SHARE = 0.01
"""Speech with a larger share within 2 % of its peak is clipped; 0.001 is usual."""
OTHER_SPEAKER_SECONDS = 1.5
"""Less voiced sound of a second speaker may be the same person in another tone."""
NO_RECORDING = "A voice sample must be a sound or a film in a supported format."


@dataclass(frozen=True)
class VoiceSample:
    """The durations of a valid sample, in milliseconds."""

    duration_ms: int
    speech_duration_ms: int


def examine_as_json(source: BinaryIO) -> dict[str, Any]:
    """Return the result of ``examine_sample`` in plain values, for the sandbox."""
    return asdict(examine_sample(source))


def examine_sample(source: BinaryIO) -> VoiceSample:
    """Decode and check a whole file; raises the ``InputRefusedError`` of the first failed check."""
    try:
        facts = probe(source)
    except UnsupportedMediaError as exc:
        raise UnsupportedMediaError(detail=NO_RECORDING) from exc
    if facts.type == IMAGE:
        raise UnsupportedMediaError(detail=NO_RECORDING)
    if not facts.metadata["has_audio"]:
        raise InputRefusedError(
            "no_sound", "The file has no sound. Upload a recording of the speaker."
        )
    check_length(facts.duration_ms or 0)
    source.seek(0)
    blocks = _read_blocks(source)
    check_level(blocks)
    speech = list(split_into_utterances(amplify_if_quiet(blocks)))
    speech_ms = sum(_count_speech_samples(utterance) for utterance in speech) * 1000 // RATE
    check_speech(speech_ms)
    check_clipping(speech)
    check_speaker(speech)
    return VoiceSample(duration_ms=facts.duration_ms or 0, speech_duration_ms=speech_ms)


def check_length(duration_ms: int) -> None:
    """Raise ``sample_too_long`` if the sample is longer than ``MAX_SAMPLE_SECONDS``."""
    if duration_ms > MAX_SAMPLE_SECONDS * 1000:
        detail = (
            f"A voice sample may last at most {MAX_SAMPLE_SECONDS} seconds. Upload a shorter one."
        )
        raise InputRefusedError("sample_too_long", detail)


def check_level(blocks: list[Block]) -> None:
    """Raise ``silent`` if no block is louder than ``SILENT_PEAK``."""
    if max((_measure_peak(block.samples) for block in blocks), default=0) <= SILENT_PEAK:
        raise InputRefusedError("silent", "The sample is silent. Record it again, louder.")


def check_speech(speech_ms: int) -> None:
    """Raise ``too_little_speech`` or ``too_much_speech`` outside the allowed range."""
    if speech_ms < MIN_SPEECH_MS:
        detail = f"A voice sample needs at least {MIN_SPEECH_MS // 1000} seconds of speech."
        raise InputRefusedError("too_little_speech", detail)
    if speech_ms > MAX_SPEECH_MS:
        detail = f"A voice sample has at most {MAX_SPEECH_MS // 1000} seconds of speech."
        raise InputRefusedError("too_much_speech", detail)


def check_clipping(speech: list[Utterance]) -> None:
    """Raise ``clipped`` if the peaks of the speech were cut off."""
    sound = np.abs(np.concatenate([utterance.samples for utterance in speech]).astype(np.int32))
    if float(np.mean(sound >= PLATEAU * sound.max())) > MAX_PLATEAU_SHARE:
        detail = (
            "The sample was recorded too loudly and is distorted. Record it again, more quietly."
        )
        raise InputRefusedError("clipped", detail)


def check_speaker(speech: list[Utterance]) -> None:
    """Raise ``several_speakers`` if a second person speaks for long enough to be certain."""
    voices = [measure_voice(utterance.samples) for utterance in speech]
    seconds: dict[str, float] = {}
    for label, sound in zip(label_speakers(voices), voices, strict=True):
        seconds[label] = seconds.get(label, 0.0) + sound.voiced_seconds
    if sum(sorted(seconds.values())[:-1]) >= OTHER_SPEAKER_SECONDS:
        detail = "More than one person seems to speak. Upload a sample of one person."
        raise InputRefusedError("several_speakers", detail)


def _read_blocks(source: BinaryIO) -> list[Block]:
    try:
        with open_media(source) as container:
            return list(_limit_length(SoundTrack(container).blocks()))
    except EngineError as exc:
        raise InputRefusedError(
            "undecodable_sound",
            "The sound could not be decoded. Save the sample in another format.",
        ) from exc


def _limit_length(blocks: Iterator[Block]) -> Iterator[Block]:
    """Yield the blocks, checking their length, because the container may state a wrong one."""
    for block in blocks:
        check_length(block.end * 1000 // RATE)
        yield block


def _measure_peak(samples: Samples) -> int:
    return int(np.abs(samples.astype(np.int32)).max(initial=0))


def _count_speech_samples(utterance: Utterance) -> int:
    """Return the utterance's samples without the margins that the detector adds."""
    return max(0, utterance.samples.size - 2 * MARGIN_FRAMES * FRAME)
