"""The production engine, with a tiny Whisper; pyannote has tests of its own."""

import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("transformers")
import torch

from gpu_tasks.mediakit.audio import RATE
from gpu_tasks.mediakit.speech.utterances import RecognisedWord
from gpu_tasks.runtime import runner
from gpu_tasks.runtime.engine import Engine, Host, load
from gpu_tasks.runtime.errors import EngineError, ErrorCode, StoppedError
from gpu_tasks.transcription import production
from gpu_tasks.transcription.contract import MODELS, RecordingTranscript
from gpu_tasks.transcription.turns import MIN_WORD_MS, order_words
from tests.gpu_tasks.recordings import (
    INTERVIEW,
    SHORT,
    sound_of,
    write_film,
    write_sound,
)
from tests.gpu_tasks.transcription.calls import payload, transcribe, workspace_with

pytestmark = pytest.mark.torch

HEARD = "Hello, world. It is me."


@pytest.fixture(scope="module")
def whispering(taught: Path) -> Engine:
    """Return the engine, loaded as a worker loads it; its pyannote has no weights."""
    return load("transcription", "production", Host(taught))


def understood(
    engine: Engine, recording: Path, root: Path, **request: object
) -> RecordingTranscript:
    return transcribe(engine, recording, root, speaker_diarization=False, **request)[1]


def test_a_result_names_both_models(whispering: Engine):
    assert whispering.info.name == "production"
    assert whispering.info.model == f"{MODELS['asr']} and {MODELS['diarization']}"


def test_the_film_becomes_segments_of_words(whispering: Engine, tmp_path: Path):
    result, transcript = transcribe(whispering, INTERVIEW, tmp_path, speaker_diarization=False)
    text = " ".join(segment.text for segment in transcript.segments)
    assert text == " ".join([HEARD] * 2)  # two chunks of half a minute at most
    assert result.segments_count == len(transcript.segments) >= 2
    assert result.words_count == 10
    assert result.duration_ms == transcript.duration_ms == pytest.approx(33_660, abs=50)
    assert {segment.speaker for segment in transcript.segments} == {"Speaker 1"}


def test_times_are_in_order_and_within(whispering: Engine, tmp_path: Path):
    transcript = understood(whispering, INTERVIEW, tmp_path)
    words = [word for segment in transcript.segments for word in segment.words]
    assert all(word.start_ms < word.end_ms for word in words)
    assert all(item.end_ms <= other.start_ms for item, other in pairwise(words))
    assert words[-1].end_ms <= transcript.duration_ms
    for segment in transcript.segments:
        assert segment.start_ms == segment.words[0].start_ms
        assert segment.end_ms == segment.words[-1].end_ms


def test_the_same_recording_gives_the_same_transcript(whispering: Engine, tmp_path: Path):
    once = understood(whispering, SHORT, tmp_path / "1")
    assert understood(whispering, SHORT, tmp_path / "2") == once


def test_without_voices_pyannote_is_not_even_imported(whispering: Engine, tmp_path: Path):
    understood(whispering, SHORT, tmp_path)
    assert not any(name.startswith("pyannote") for name in sys.modules)


def test_silence_is_an_empty_transcript_that_no_model_is_asked_about(
    whispering: Engine, tmp_path: Path
):
    path = write_sound(tmp_path / "silence.wav", "pcm_s16le", np.zeros(3 * RATE, np.int16))
    result, transcript = transcribe(whispering, path, tmp_path / "work", speaker_diarization=True)
    assert (result.segments_count, result.words_count, result.duration_ms) == (0, 0, 3000)
    assert transcript.segments == []


def test_progress_grows_to_one_and_more_than_a_batch_is_heard(
    whispering: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(production, "BATCH", 2)
    pause = np.zeros(4 * RATE, np.int16)
    sound = np.concatenate([sound_of(SHORT)[: 2 * RATE], pause])
    path = write_sound(tmp_path / "long.wav", "pcm_s16le", np.tile(sound, 5), rate=RATE)
    reports: list[float] = []
    files = workspace_with(path, tmp_path / "work", reports.append)
    result = whispering.run(payload(speaker_diarization=False), files)
    assert result.words_count == 5 * 5
    assert reports == sorted(reports)
    assert reports[-1] == 1.0
    assert any(0.6 < share < 1.0 for share in reports)


def test_a_call_that_nobody_wants_any_more_stops(whispering: Engine, tmp_path: Path):
    count = 0

    def stop(_share: float) -> None:
        nonlocal count
        count += 1
        if count == 30:
            raise StoppedError

    files = workspace_with(SHORT, tmp_path, stop)
    with pytest.raises(StoppedError):
        whispering.run(payload(speaker_diarization=False), files)
    assert not files.output("transcript").exists()


def test_memory_that_does_not_suffice_is_told(
    whispering: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def full(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(torch, "stack", full)
    with pytest.raises(torch.OutOfMemoryError) as caught:
        understood(whispering, SHORT, tmp_path)
    assert runner.get_error_code(caught.value) == ErrorCode.GPU_OOM


@pytest.mark.parametrize("language", ["xx", "EN", "", "en" * 1000])
def test_a_language_that_does_not_exist(whispering: Engine, tmp_path: Path, language: str):
    with pytest.raises(EngineError) as caught:
        understood(whispering, SHORT, tmp_path, language=language)
    assert caught.value.code == ErrorCode.INPUT_INVALID
    assert len(caught.value.message) < 100


def test_a_film_without_sound(whispering: Engine, tmp_path: Path):
    mute = write_film(tmp_path / "mute.mp4", None)
    with pytest.raises(EngineError, match="The file has no sound"):
        understood(whispering, mute, tmp_path / "work")


def test_weights_must_be_there(tmp_path: Path):
    with pytest.raises(OSError, match=str(tmp_path)):
        load("transcription", "production", Host(tmp_path))
    with pytest.raises(FileNotFoundError, match="MODEL_DIR"):
        load("transcription", "production")


def word(start_ms: int, end_ms: int) -> RecognisedWord:
    return RecognisedWord(" word", start_ms, end_ms, 1.0)


def times(words: list[RecognisedWord]) -> list[tuple[int, int]]:
    return [(item.start_ms, item.end_ms) for item in words]


def test_words_follow_each_other_and_take_time():
    words = [word(0, 500), word(400, 450), word(600, 600), word(700, 900)]
    expected = [(0, 500), (500, 500 + MIN_WORD_MS), (600, 600 + MIN_WORD_MS), (700, 900)]
    assert times(order_words(words, 900)) == expected


def test_no_word_outlasts_the_media():
    assert times(order_words([word(0, 500), word(800, 900)], 700)) == [(0, 500), (700, 700)]
