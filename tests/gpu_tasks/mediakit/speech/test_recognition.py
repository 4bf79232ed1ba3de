"""PocketSphinx on single utterances."""

import time
from itertools import pairwise
from threading import Event, Thread

import numpy as np
import pytest

from gpu_tasks.mediakit.audio import RATE, Samples
from gpu_tasks.mediakit.speech.recognition import CHUNK_SAMPLES, Recogniser
from gpu_tasks.mediakit.speech.utterances import FRAME
from gpu_tasks.runtime.errors import StoppedError

pytestmark = pytest.mark.xdist_group("draft")


@pytest.fixture(scope="module")
def recogniser() -> Recogniser:
    return Recogniser()


def ignore() -> None:
    """Nobody counts the chunks."""


def test_words_come_in_order_without_fillers_and_marks(
    recogniser: Recogniser, short_sound: Samples
):
    words = recogniser.words(short_sound, ignore)
    assert "".join(word.text for word in words) == " The story starts when she opens the letter"
    assert all(word.start_ms < word.end_ms <= 3300 for word in words)
    assert all(item.end_ms <= after.start_ms for item, after in pairwise(words))
    assert all(0 < word.confidence <= 1 for word in words)


def test_an_utterance_does_not_depend_on_the_one_before(
    recogniser: Recogniser, short_sound: Samples
):
    alone = recogniser.words(short_sound, ignore)
    noise = np.random.default_rng(seed=1).normal(0, 3000, 2 * RATE).astype(np.int16)
    recogniser.words(noise, ignore)
    assert recogniser.words(short_sound, ignore) == alone


@pytest.mark.parametrize("samples", [1, FRAME, RATE])
def test_silence_has_no_words(recogniser: Recogniser, samples: int):
    assert recogniser.words(np.zeros(samples, np.int16), ignore) == []


def test_stopping_in_the_middle_leaves_the_recogniser_usable(
    recogniser: Recogniser, short_sound: Samples
):
    ticks = 0

    def stop_at_third() -> None:
        nonlocal ticks
        ticks += 1
        if ticks == 3:
            raise StoppedError

    with pytest.raises(StoppedError):
        recogniser.words(short_sound, stop_at_third)
    assert ticks == 3
    assert recogniser.words(short_sound, ignore)[-1].text == " letter"


def test_every_chunk_is_told(recogniser: Recogniser, short_sound: Samples):
    ticks: list[float] = []
    recogniser.words(short_sound, lambda: ticks.append(time.monotonic()))
    assert len(ticks) == np.ceil(short_sound.size / CHUNK_SAMPLES)


def test_other_threads_get_their_turn(recogniser: Recogniser, short_sound: Samples):
    done, beats = Event(), []

    def beat() -> None:
        while not done.wait(0.01):
            beats.append(time.monotonic())

    heart = Thread(target=beat)
    heart.start()
    started = time.monotonic()
    recogniser.words(short_sound, ignore)
    lasted = time.monotonic() - started
    done.set()
    heart.join()
    # A decoding in one call would let nobody's heart beat in between.
    assert sum(started < beat < started + lasted for beat in beats) > 2
