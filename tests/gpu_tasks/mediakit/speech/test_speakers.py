"""Who speaks."""

from itertools import pairwise

import numpy as np
import pytest

from gpu_tasks.mediakit.audio import RATE, Block, Samples
from gpu_tasks.mediakit.speech.speakers import (
    MAX_SPEAKERS,
    MIN_SPEAKER_SECONDS,
    MIN_VOICED_SECONDS,
    SAME_VOICE,
    Voice,
    label_speakers,
    measure_voice,
)
from gpu_tasks.mediakit.speech.utterances import split_into_utterances
from tests.gpu_tasks.recordings import INTERVIEW, MONOLOGUE, sound_of, tone

SIZE = 14


def voice_at(distance: float, seconds: float = 2.0) -> Voice:
    """Return a voice so far from the origin."""
    point = np.zeros(SIZE)
    point[-1] = distance
    return Voice(point, seconds)


def voices_in(sound: Samples) -> list[Voice]:
    return [measure_voice(item.samples) for item in split_into_utterances([Block(0, sound, 1.0)])]


def test_a_dialogue_of_a_woman_and_a_man_has_two_speakers_who_take_turns():
    assert label_speakers(voices_in(sound_of(INTERVIEW))) == ["Speaker 1", "Speaker 2"] * 4


def test_one_reader_is_one_speaker():
    assert label_speakers(voices_in(sound_of(MONOLOGUE))) == ["Speaker 1"] * 3


def test_a_voice_does_not_depend_on_loudness(short_sound: Samples):
    loud, soft = measure_voice(short_sound), measure_voice(short_sound // 8)
    assert np.linalg.norm(loud.point - soft.point) < SAME_VOICE / 4


def test_pitch_is_measured_in_octaves():
    low, high = measure_voice(_buzz(110)), measure_voice(_buzz(220))
    assert high.point[-1] - low.point[-1] == pytest.approx(1.0, abs=0.02)


def _buzz(hertz: float) -> Samples:
    overtones = [tone(1.0, hertz * number) // (6 * number) for number in range(1, 9)]
    return np.sum(overtones, axis=0).astype(np.int16)


@pytest.mark.parametrize("samples", [0, 100, RATE])
def test_silence_has_no_voice(samples: int):
    assert measure_voice(np.zeros(samples, np.int16)).voiced_seconds == 0.0


def test_nobody_spoke():
    assert label_speakers([]) == []


@pytest.mark.parametrize(("apart", "speakers"), [(0.99, 1), (1.01, 2)])
def test_voices_further_apart_than_the_limit_are_two(apart: float, speakers: int):
    heard = [voice_at(0.0), voice_at(SAME_VOICE * apart)]
    assert len(set(label_speakers(heard))) == speakers


def test_speakers_are_numbered_as_they_appear():
    heard = [voice_at(at) for at in (5.0, 0.0, 5.1, 9.0, 0.1)]
    assert label_speakers(heard) == [
        "Speaker 1",
        "Speaker 2",
        "Speaker 1",
        "Speaker 3",
        "Speaker 2",
    ]


def test_a_voice_that_drifts_stays_one_speaker():
    drifting = [voice_at(at) for at in (0.0, 0.5, 0.9, 0.4, 0.1)]
    assert set(label_speakers(drifting)) == {"Speaker 1"}


@pytest.mark.parametrize(("seconds", "speakers"), [(-0.01, 1), (0.0, 2)])
def test_who_hardly_speaks_is_no_speaker_of_their_own(seconds: float, speakers: int):
    heard = [voice_at(0.0), voice_at(3.0, MIN_SPEAKER_SECONDS + seconds), voice_at(0.1)]
    assert len(set(label_speakers(heard))) == speakers


@pytest.mark.parametrize(("seconds", "speakers"), [(-0.01, 1), (0.0, 2)])
def test_utterances_too_short_found_no_speaker(seconds: float, speakers: int):
    brief = MIN_VOICED_SECONDS + seconds
    heard = [voice_at(0.0), voice_at(3.0, brief), voice_at(3.0, brief)]
    assert len(set(label_speakers(heard))) == speakers


def test_who_is_not_heard_is_whoever_spoke_before():
    unheard = voice_at(0.0, seconds=0.0)
    heard = [unheard, voice_at(0.0), voice_at(3.0), unheard]
    assert label_speakers(heard) == ["Speaker 1", "Speaker 1", "Speaker 2", "Speaker 2"]


def test_there_are_never_more_speakers_than_the_bound():
    crowd = [voice_at(float(at)) for at in range(MAX_SPEAKERS + 4)]
    assert len(set(label_speakers(crowd))) == MAX_SPEAKERS


def test_thousands_of_utterances_are_labelled_and_neighbours_alternate():
    heard = [voice_at(3.0 * (number % 2) + 0.0001 * number) for number in range(3000)]
    assert all(item != following for item, following in pairwise(label_speakers(heard)))
