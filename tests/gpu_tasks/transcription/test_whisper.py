"""Whisper, by a tiny model of the same classes."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("transformers")

from gpu_tasks.mediakit.audio import RATE
from gpu_tasks.mediakit.speech.utterances import RecognisedWord
from gpu_tasks.runtime.engine import Host
from gpu_tasks.runtime.errors import StoppedError
from gpu_tasks.transcription import whisper as module
from gpu_tasks.transcription.chunks import Chunk
from gpu_tasks.transcription.whisper import (
    MAX_NO_SPEECH,
    MIN_LOGPROB,
    Reading,
    Whisper,
)
from tests.gpu_tasks.recordings import tone
from tests.gpu_tasks.transcription import tiny_whisper

pytestmark = pytest.mark.torch

SAID = tiny_whisper.SAID


@pytest.fixture(scope="module")
def whisper(taught: Path) -> Whisper:
    return Whisper(Host(taught))


def chunk(start_seconds: float, seconds: float, *spans: tuple[float, float]) -> Chunk:
    spoken = [(int(begin * RATE), int(end * RATE)) for begin, end in spans or [(0.0, seconds)]]
    return Chunk(int(start_seconds * RATE), tone(seconds), tuple(spoken), share=0.5)


def heard(whisper: Whisper, *chunks: Chunk, language: str = "en") -> list[RecognisedWord]:
    return whisper.words(chunks, language, lambda: None)


def reading(**reports: object) -> Reading:
    sure = Reading(tokens=[1], attention=np.eye(2), logprobs=[-0.1, -0.1], no_speech=0.0, text="a")
    return replace(sure, **reports)


def test_words_have_their_spaces_and_punctuation(whisper: Whisper):
    words = heard(whisper, chunk(0.0, 8.0))
    assert [word.text for word in words] == [" Hello,", " world.", " It", " is", " me."]
    assert all(0.5 < word.confidence <= 1.0 for word in words)


def test_every_chunk_of_a_batch_has_its_words_at_its_time(whisper: Whisper):
    chunks = [chunk(10.0, 3.0), chunk(50.0, 29.0), chunk(100.0, 0.2)]
    words = heard(whisper, *chunks)
    assert len(words) == 5 * len(chunks)
    for index, item in enumerate(chunks):
        mine = words[5 * index : 5 * index + 5]
        assert item.start * 1000 // RATE <= mine[0].start_ms
        assert mine[-1].end_ms <= (item.start + item.samples.size) * 1000 // RATE
    assert all(item.start_ms <= other.start_ms for item, other in pairwise(words))


def test_words_lie_where_somebody_speaks(whisper: Whisper):
    spans = [(0.0, 2.0), (5.0, 6.0)]
    for word in heard(whisper, chunk(0.0, 6.0, *spans)):
        inside = [
            begin * 1000 <= word.start_ms <= word.end_ms <= end * 1000 for begin, end in spans
        ]
        assert any(inside)


def test_a_batch_is_heard_as_its_chunks_are_alone(whisper: Whisper):
    chunks = [chunk(0.0, 4.0), chunk(20.0, 7.0)]
    assert heard(whisper, *chunks) == heard(whisper, chunks[0]) + heard(whisper, chunks[1])


def test_languages_without_spaces_are_parted_by_signs(whisper: Whisper):
    words = heard(whisper, chunk(0.0, 8.0), language="ja")
    assert [word.text for word in words][:5] == [" H", "e", "l", "l", "o,"]
    assert "".join(word.text for word in words) == SAID


def test_what_is_in_doubt_is_tried_again_and_comes_out_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(module, "MAX_TOKENS", 10)
    monkeypatch.setattr(module, "TEMPERATURES", (0.0, 1.0))
    tiny_whisper.save(tmp_path, says=" Hello, world.", sureness=0.1)
    wavering = Whisper(Host(tmp_path))
    once = heard(wavering, chunk(0.0, 2.0))
    assert heard(wavering, chunk(0.0, 2.0)) == once
    assert [word.text for word in once] not in ([], [" Hello,", " wor"])
    assert all(0.0 <= word.confidence <= 1.0 for word in once)


def test_each_token_is_a_chance_to_stop(whisper: Whisper):
    ticks = 0

    def stop() -> None:
        nonlocal ticks
        ticks += 1
        if ticks == 3:
            raise StoppedError

    with pytest.raises(StoppedError):
        whisper.words([chunk(0.0, 2.0)], "en", stop)
    assert len(heard(whisper, chunk(0.0, 2.0))) == 5  # and harms no later call


@pytest.mark.parametrize(("bound", "text"), [(24, SAID), (23, SAID[:-1])])
def test_a_text_is_bounded(
    whisper: Whisper, monkeypatch: pytest.MonkeyPatch, bound: int, text: str
):
    monkeypatch.setattr(module, "MAX_TOKENS", bound)
    monkeypatch.setattr(module, "TEMPERATURES", (0.0,))
    assert "".join(word.text for word in heard(whisper, chunk(0.0, 2.0))) == text


def test_half_precision_keeps_the_words(taught: Path):
    half = Whisper(Host(taught, dtype="bfloat16"))
    assert next(iter(heard(half, chunk(0.0, 2.0)))).text == " Hello,"


@pytest.mark.parametrize(("beyond", "guessed"), [(0.0, False), (-1e-6, True)])
def test_an_unlikely_text_is_a_guess(beyond: float, guessed: bool):
    assert reading(logprobs=[MIN_LOGPROB + beyond] * 2).is_guessed is guessed


@pytest.mark.parametrize(("no_speech", "silent"), [(MAX_NO_SPEECH, False), (0.61, True)])
def test_a_guess_at_no_speech_is_dropped(no_speech: float, silent: bool):
    guess = reading(no_speech=no_speech, logprobs=[-2.0, -2.0])
    assert (guess.is_silent, guess.is_doubtful) == (silent, not silent)
    assert not reading(no_speech=no_speech).is_silent


def test_no_text_is_silence_and_not_in_doubt():
    nothing = reading(tokens=[], logprobs=[-9.0], text="")
    assert nothing.is_silent
    assert not nothing.is_doubtful


def test_a_text_that_repeats_itself_is_in_doubt():
    assert reading(text=" Thank you." * 20).is_doubtful
    assert not reading(text=" Thank you for coming here tonight, all of you.").is_doubtful
    assert np.isclose(np.mean(reading().logprobs), -0.1)
