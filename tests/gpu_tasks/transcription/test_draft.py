"""The draft engine on real recordings."""

from pathlib import Path

import numpy as np
import pytest

from gpu_tasks.mediakit.audio import RATE
from gpu_tasks.runtime.engine import Engine
from gpu_tasks.runtime.errors import EngineError, ErrorCode, StoppedError
from gpu_tasks.transcription.contract import (
    DRAFT_LANGUAGES,
    RecordingTranscript,
    TranscriptionResult,
)
from tests.gpu_tasks.mediakit.test_loudness import at_level
from tests.gpu_tasks.recordings import (
    BROKEN,
    INTERVIEW,
    MONOLOGUE,
    SHORT,
    reference,
    sound_of,
    word_error_rate,
    write_film,
    write_sound,
)
from tests.gpu_tasks.transcription.calls import payload, transcribe, workspace_with

pytestmark = pytest.mark.xdist_group("draft")

MAX_WORD_ERROR_RATE = 0.25


def text_of(transcript: RecordingTranscript) -> str:
    return " ".join(segment.text for segment in transcript.segments)


def refused(engine: Engine, recording: Path, root: Path, **request: object) -> str:
    with pytest.raises(EngineError) as caught:
        transcribe(engine, recording, root, **request)
    assert caught.value.code == ErrorCode.INPUT_INVALID
    assert not (root / "out" / "transcript" / "0").exists()
    return caught.value.message


def test_the_film_is_understood(interview: tuple[TranscriptionResult, RecordingTranscript]):
    result, transcript = interview
    assert word_error_rate(reference(INTERVIEW), text_of(transcript)) <= MAX_WORD_ERROR_RATE
    assert result.segments_count == len(transcript.segments) == 8
    assert result.words_count == sum(len(segment.words) for segment in transcript.segments)
    assert result.duration_ms == transcript.duration_ms == pytest.approx(33_660, abs=50)


def test_the_films_two_speakers_take_turns(
    interview: tuple[TranscriptionResult, RecordingTranscript],
):
    speakers = [segment.speaker for segment in interview[1].segments]
    assert speakers == ["Speaker 1", "Speaker 2"] * 4


def test_times_are_in_order_and_within(interview: tuple[TranscriptionResult, RecordingTranscript]):
    _, transcript = interview
    end = 0
    for segment in transcript.segments:
        assert segment.start_ms >= end
        assert segment.start_ms == segment.words[0].start_ms
        for word in segment.words:
            assert end <= word.start_ms < word.end_ms
            end = word.end_ms
        assert segment.end_ms == end
    assert end <= transcript.duration_ms


def test_text_is_its_words_with_a_capital(
    interview: tuple[TranscriptionResult, RecordingTranscript],
):
    for segment in interview[1].segments:
        assert segment.text == " ".join(word.word for word in segment.words)
        assert segment.text[0].isupper()
    assert " I will " in text_of(interview[1])


def test_one_voice_is_one_speaker_and_progress_is_told(engine: Engine, tmp_path: Path):
    reports: list[float] = []
    workspace = workspace_with(MONOLOGUE, tmp_path, reports.append)
    engine.run(payload(), workspace)
    transcript = RecordingTranscript.model_validate_json(
        workspace.output("transcript").read_bytes()
    )
    assert word_error_rate(reference(MONOLOGUE), text_of(transcript)) <= MAX_WORD_ERROR_RATE
    assert {segment.speaker for segment in transcript.segments} == {"Speaker 1"}
    assert reports == sorted(reports)
    assert reports[-1] == 1.0
    assert max(np.diff([0.0, *reports])) < 0.1  # a second of this recording


def test_without_diarization_there_is_one_speaker(engine: Engine, tmp_path: Path):
    turns = sound_of(INTERVIEW)[: 7 * RATE]  # the first two, told apart above
    path = write_sound(tmp_path / "turns.wav", "pcm_s16le", turns, rate=RATE)
    _, transcript = transcribe(engine, path, tmp_path / "work", speaker_diarization=False)
    assert [segment.speaker for segment in transcript.segments] == ["Speaker 1"] * 2


@pytest.mark.parametrize(
    ("suffix", "codec", "rate", "layout"),
    [("wav", "pcm_mulaw", 8_000, "mono"), ("m4a", "aac", 48_000, "5.1")],
)
def test_telephone_and_surround_sound_are_understood(
    engine: Engine, tmp_path: Path, suffix: str, codec: str, rate: int, layout: str
):
    recording = tmp_path / f"speech.{suffix}"
    write_sound(recording, codec, sound_of(SHORT), rate=rate, layout=layout)
    _, transcript = transcribe(engine, recording, tmp_path / "work")
    assert word_error_rate(reference(SHORT), text_of(transcript)) <= MAX_WORD_ERROR_RATE


def test_times_are_those_of_the_film_when_the_sound_starts_late(engine: Engine, tmp_path: Path):
    film = write_film(tmp_path / "late.mp4", sound_of(SHORT), sound_starts=3.0)
    _, transcript = transcribe(engine, film, tmp_path / "work")
    assert transcript.segments[0].start_ms == pytest.approx(3_140, abs=80)
    assert transcript.duration_ms == pytest.approx(6_300, abs=100)


def test_the_same_recording_gives_the_same_transcript(engine: Engine, tmp_path: Path):
    once = transcribe(engine, SHORT, tmp_path / "1")
    assert transcribe(engine, SHORT, tmp_path / "2") == once


def test_silence_is_an_empty_transcript(engine: Engine, tmp_path: Path):
    silence = np.zeros(3 * RATE, np.int16)
    path = write_sound(tmp_path / "silence.wav", "pcm_s16le", silence, rate=RATE)
    result, transcript = transcribe(engine, path, tmp_path / "work")
    assert (result.segments_count, result.words_count, result.duration_ms) == (0, 0, 3000)
    assert (transcript.segments, transcript.is_silent) == ([], True)


@pytest.mark.parametrize("level_db", [-46, -60])
def test_quiet_speech_is_understood(engine: Engine, tmp_path: Path, level_db: float):
    quiet = at_level(sound_of(SHORT), level_db)
    path = write_sound(tmp_path / "quiet.wav", "pcm_s16le", quiet, rate=RATE)
    _, transcript = transcribe(engine, path, tmp_path / "work")
    assert word_error_rate(reference(SHORT), text_of(transcript)) <= MAX_WORD_ERROR_RATE


def test_quiet_noise_is_nothing_said_and_no_silence(engine: Engine, tmp_path: Path):
    noise = np.random.default_rng(1).normal(0, 33, 3 * RATE).astype(np.int16)  # -60 dB
    path = write_sound(tmp_path / "noise.wav", "pcm_s16le", noise, rate=RATE)
    _, transcript = transcribe(engine, path, tmp_path / "work")
    assert (transcript.segments, transcript.is_silent) == ([], False)


def test_a_file_that_looks_right_and_will_not_decode(engine: Engine, tmp_path: Path):
    assert refused(engine, BROKEN, tmp_path) == "The sound could not be decoded."


def test_a_film_without_sound(engine: Engine, tmp_path: Path):
    mute = write_film(tmp_path / "mute.mp4", None)
    assert refused(engine, mute, tmp_path / "work") == "The file has no sound."


@pytest.mark.parametrize("content", [b"", b"This is a letter and no film.\n" * 50])
def test_a_file_that_is_no_media(engine: Engine, tmp_path: Path, content: bytes):
    (tmp_path / "film.mp4").write_bytes(content)
    message = refused(engine, tmp_path / "film.mp4", tmp_path / "work")
    assert message == "The file is not an audio or video file that we can read."


@pytest.mark.parametrize("language", ["fr", "EN", "", "en" * 1000])
def test_only_english_is_understood(engine: Engine, tmp_path: Path, language: str):
    message = refused(engine, SHORT, tmp_path, language=language)
    assert language[:18] in message
    assert len(message) < 100
    assert language not in DRAFT_LANGUAGES


def test_a_cancelled_call_stops_in_the_middle_and_writes_nothing(engine: Engine, tmp_path: Path):
    def stop_halfway(share: float) -> None:
        if share > 0.5:
            raise StoppedError

    workspace = workspace_with(MONOLOGUE, tmp_path, stop_halfway)
    with pytest.raises(StoppedError):
        engine.run(payload(), workspace)
    assert not workspace.output("transcript").exists()


def test_a_draft_says_that_it_is_one(engine: Engine):
    assert engine.info.name == "draft"
    assert engine.info.model == "pocketsphinx-5.1.1 en-us"
