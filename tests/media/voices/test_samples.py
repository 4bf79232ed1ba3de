"""What a sample must be, on real speech, and at the edges of its limits."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from gpu_tasks.mediakit.audio import RATE, Block, Samples
from gpu_tasks.mediakit.speech.utterances import Utterance
from gpu_tasks.runtime.errors import InputRefusedError
from media.limits import MAX_SPEECH_MS, MIN_SPEECH_MS
from media.probes import UnsupportedMediaError
from media.voices import samples
from media.voices.samples import (
    MAX_PLATEAU_SHARE,
    MAX_SAMPLE_SECONDS,
    SILENT_PEAK,
    VoiceSample,
)
from tests.gpu_tasks.recordings import BROKEN, INTERVIEW, MONOLOGUE, sound_of, write_film
from tests.media import samples as files

Wav = Callable[[Samples], bytes]


@pytest.fixture(scope="module")
def speech() -> Samples:
    """Eleven seconds of one man's speech."""
    return sound_of(MONOLOGUE)


def examine(content: bytes) -> VoiceSample:
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.seek(0)
        return samples.examine_sample(file)


def refusal(content: bytes) -> str:
    with pytest.raises(InputRefusedError) as caught:
        examine(content)
    return caught.value.code


def test_one_mans_speech_is_taken():
    results = examine(MONOLOGUE.read_bytes())
    assert results.duration_ms == pytest.approx(11_500, abs=100)
    assert results.speech_duration_ms == pytest.approx(9_870, abs=100)


def test_a_film_with_speech_is_taken(speech: Samples, tmp_path: Path):
    film = write_film(tmp_path / "talk.mp4", speech)
    assert examine(film.read_bytes()).speech_duration_ms > MIN_SPEECH_MS


def test_too_little_speech(speech: Samples, wav_of: Wav):
    assert refusal(wav_of(speech[: 2 * RATE])) == "too_little_speech"


def test_too_much_speech(speech: Samples, wav_of: Wav):
    assert refusal(wav_of(np.tile(speech, 4))) == "too_much_speech"


def test_a_sample_that_lasts_too_long(speech: Samples, wav_of: Wav):
    pause = np.zeros(MAX_SAMPLE_SECONDS * RATE, np.int16)
    assert refusal(wav_of(np.concatenate([speech, pause]))) == "sample_too_long"


def test_two_speakers():
    assert refusal(INTERVIEW.read_bytes()) == "several_speakers"


@pytest.mark.parametrize(("gain", "code"), [(4, "clipped"), (16, "clipped")])
def test_a_sample_recorded_too_loudly(speech: Samples, wav_of: Wav, gain: int, code: str):
    loud = np.clip(speech.astype(np.int32) * gain, -32768, 32767).astype(np.int16)
    assert refusal(wav_of(loud)) == code


def test_a_soft_sample_is_taken(speech: Samples, wav_of: Wav):
    assert examine(wav_of(speech // 16)).speech_duration_ms > MIN_SPEECH_MS


def test_silence(wav_of: Wav):
    assert refusal(wav_of(np.zeros(5 * RATE, np.int16))) == "silent"


def test_a_film_without_sound():
    assert refusal(files.video(sound=False)) == "no_sound"


def test_a_sound_that_does_not_decode():
    assert refusal(BROKEN.read_bytes()) == "undecodable_sound"


@pytest.mark.parametrize("content", [files.TEXT, files.PLAYLIST % 9, files.image()])
def test_what_is_no_sound_at_all(content: bytes):
    with pytest.raises(UnsupportedMediaError):
        examine(content)


def test_the_shortest_and_the_longest_speech():
    samples.check_speech(MIN_SPEECH_MS)
    samples.check_speech(MAX_SPEECH_MS)
    with pytest.raises(InputRefusedError, match="'too_little_speech'"):
        samples.check_speech(MIN_SPEECH_MS - 1)
    with pytest.raises(InputRefusedError, match="'too_much_speech'"):
        samples.check_speech(MAX_SPEECH_MS + 1)


def test_the_longest_sample():
    samples.check_length(MAX_SAMPLE_SECONDS * 1000)
    with pytest.raises(InputRefusedError, match="'sample_too_long'"):
        samples.check_length(MAX_SAMPLE_SECONDS * 1000 + 1)


def test_a_sound_that_lasts_longer_than_its_container_said(speech: Samples):
    limit = MAX_SAMPLE_SECONDS * RATE
    inside = Block(limit - 10, speech[:10], 1.0)
    past = Block(limit - 10, speech[: 10 + RATE // 1000], 1.0)
    assert list(samples._limit_length(iter([inside]))) == [inside]
    with pytest.raises(InputRefusedError, match="'sample_too_long'"):
        list(samples._limit_length(iter([inside, past])))


def test_the_softest_sound():
    quiet = Block(0, np.array([0, -SILENT_PEAK], np.int16), 1.0)
    with pytest.raises(InputRefusedError, match="'silent'"):
        samples.check_level([quiet])
    samples.check_level([quiet, Block(2, np.array([-SILENT_PEAK - 1], np.int16), 1.0)])


def test_the_most_of_a_plateau():
    def with_peaks(count: int) -> list[Utterance]:
        sound = np.zeros(10_000, np.int16)
        sound[:count] = -20_000
        return [Utterance(0, sound, 1.0)]

    allowed = round(MAX_PLATEAU_SHARE * 10_000)
    samples.check_clipping(with_peaks(allowed))
    with pytest.raises(InputRefusedError, match="'clipped'"):
        samples.check_clipping(with_peaks(allowed + 1))


def test_a_second_voice_must_be_heard_for_some_time():
    turns = sound_of(INTERVIEW)
    first, second = turns[: 4 * RATE], turns[4 * RATE : 8 * RATE]
    alone = [Utterance(0, first, 1.0)]
    samples.check_speaker(alone)
    samples.check_speaker([*alone, Utterance(0, second[: 2 * RATE], 1.0)])
    with pytest.raises(InputRefusedError, match="'several_speakers'"):
        samples.check_speaker([*alone, Utterance(0, second, 1.0)])
