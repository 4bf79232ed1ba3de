"""A voice sample, listened to."""

from pathlib import Path

import numpy as np
import pytest

from gpu_tasks.mediakit.audio import RATE
from gpu_tasks.runtime.errors import EngineError, ErrorCode
from gpu_tasks.tts import voices
from gpu_tasks.tts.contract import SAMPLE_RATE
from gpu_tasks.tts.voices import MAX_SPEECH_SECONDS, NO_SPEECH, measure_pitch, read_speech, resample
from tests.gpu_tasks.recordings import (
    INTERVIEW,
    MONOLOGUE,
    SHORT,
    sound_of,
    tone,
    write_film,
    write_sound,
)


def test_pauses_are_left_out(tmp_path: Path):
    words = sound_of(SHORT)
    pause = np.zeros(5 * RATE, np.int16)
    long = np.concatenate([pause, words, pause, words, pause])
    path = write_sound(tmp_path / "long.wav", "pcm_s16le", long, rate=RATE)
    assert read_speech(path).size / RATE == pytest.approx(2 * words.size / RATE, abs=0.6)


def test_no_more_is_kept_than_the_limit():
    size = read_speech(INTERVIEW).size / RATE
    assert MAX_SPEECH_SECONDS - 5 < size <= MAX_SPEECH_SECONDS


def test_speech_without_a_pause_is_cut_at_the_limit(tmp_path: Path):
    words = read_speech(MONOLOGUE)
    path = write_sound(tmp_path / "talk.wav", "pcm_s16le", np.tile(words, 3), rate=RATE)
    assert read_speech(path).size / RATE <= MAX_SPEECH_SECONDS


def test_a_higher_rate_keeps_the_times(tmp_path: Path):
    low, high = read_speech(MONOLOGUE), read_speech(MONOLOGUE, SAMPLE_RATE)
    assert high.size / SAMPLE_RATE == pytest.approx(low.size / RATE, abs=0.1)
    again = resample(high, SAMPLE_RATE, RATE)
    assert measure_pitch(again) == pytest.approx(measure_pitch(low), rel=0.02)


def test_what_comes_late_is_not_listened_to(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(voices, "MAX_READ_SECONDS", 5)
    assert read_speech(MONOLOGUE).size / RATE <= 5


def test_surround_sound_of_a_film(tmp_path: Path):
    path = write_sound(tmp_path / "v.m4a", "aac", sound_of(SHORT), rate=48_000, layout="5.1")
    assert read_speech(path).size / RATE > 2


def test_a_click_is_no_speech(tmp_path: Path):
    path = write_sound(tmp_path / "click.wav", "pcm_s16le", tone(0.02), rate=RATE)
    with pytest.raises(EngineError, match=NO_SPEECH):
        read_speech(path)


def test_no_voice_has_no_pitch():
    with pytest.raises(EngineError) as caught:
        measure_pitch(np.zeros(RATE, np.int16))
    assert (caught.value.code, caught.value.message) == (ErrorCode.INPUT_INVALID, NO_SPEECH)


def test_a_film_without_sound(tmp_path: Path):
    with pytest.raises(EngineError, match="no sound"):
        read_speech(write_film(tmp_path / "mute.mp4", None))
