"""The draft engine, listened to: by the recogniser of the transcription, and by its pitch."""

import re
import wave
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from gpu_tasks.mediakit.audio import RATE
from gpu_tasks.runtime.engine import Engine, load
from gpu_tasks.runtime.errors import EngineError, ErrorCode, StoppedError
from gpu_tasks.transcription.contract import RecordingTranscript
from gpu_tasks.tts import draft
from gpu_tasks.tts.contract import MAX_CHARACTERS, MAX_SPEED, MIN_SPEED, SAMPLE_RATE
from gpu_tasks.tts.draft import DraftEngine
from gpu_tasks.tts.synthesisers import Synthesiser, list_installed
from gpu_tasks.tts.voices import measure_pitch
from tests.gpu_tasks.recordings import (
    BROKEN,
    INTERVIEW,
    MONOLOGUE,
    sound_of,
    word_error_rate,
    write_film,
    write_sound,
)
from tests.gpu_tasks.transcription.calls import transcribe
from tests.gpu_tasks.tts.calls import TEXT, payload, speak, workspace_with

pytestmark = pytest.mark.xdist_group("tts")

MAX_WORD_ERROR_RATE = {"flite": 0.15, "espeak-ng": 0.75}
"""0.02 and 0.63 were measured: PocketSphinx hardly understands eSpeak, people do."""
FIVE_MINUTES = {"flite": "1234567890" * 100, "espeak-ng": "字" * 1500}
"""What is said one by one."""


def one_of_each() -> list[Synthesiser]:
    return list_installed()


@pytest.fixture(scope="session")
def engine() -> Engine:
    """Return the draft engine, loaded as a worker loads it."""
    return load("tts", "draft")


@pytest.fixture(scope="session")
def spoken(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> tuple[int, Path]:
    """Five sentences in the stock voice: milliseconds and file."""
    result, path = speak(engine, tmp_path_factory.mktemp("spoken"))
    return result.duration_ms, path


def refused(
    engine: Engine, root: Path, text: str = TEXT, voice: Path | None = None, speed: float = 1.0
) -> str:
    with pytest.raises(EngineError) as caught:
        speak(engine, root, text, voice=voice, speed=speed)
    assert caught.value.code == ErrorCode.INPUT_INVALID
    assert not (root / "out" / "result" / "0").exists()
    return caught.value.message


@pytest.mark.parametrize("synthesiser", one_of_each(), ids=lambda item: item.model.split()[0])
def test_what_was_said_is_understood(synthesiser: Synthesiser, tmp_path: Path):
    _, path = speak(DraftEngine([synthesiser]), tmp_path / "tts")
    listener = load("transcription", "draft")
    _, heard = transcribe(listener, path, tmp_path / "asr")
    limit = MAX_WORD_ERROR_RATE[synthesiser.model.split()[0]]
    assert word_error_rate(TEXT, _text(heard)) <= limit


def _text(transcript: RecordingTranscript) -> str:
    return " ".join(segment.text for segment in transcript.segments)


def test_the_result_says_what_was_written(engine: Engine, tmp_path: Path):
    result, path = speak(engine, tmp_path, "Good  morning.\n")
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getnchannels()) == (SAMPLE_RATE, 1)
        duration_ms = file.getnframes() * 1000 / SAMPLE_RATE
    assert result.duration_ms == round(duration_ms)
    assert (result.sample_rate, result.characters) == (SAMPLE_RATE, len("Good morning."))


def test_it_is_loud_enough_and_never_clips(spoken: tuple[int, Path]):
    samples = sound_of(spoken[1]).astype(np.float64) / 32768
    assert 0.05 < np.sqrt((samples**2).mean()) < 0.15
    assert np.abs(samples).max() < 0.95


@pytest.mark.parametrize("speed", [MIN_SPEED, 1.25, MAX_SPEED])
def test_speed_changes_the_duration(
    engine: Engine, spoken: tuple[int, Path], tmp_path: Path, speed: float
):
    result, path = speak(engine, tmp_path, speed=speed)
    assert result.duration_ms * speed == pytest.approx(spoken[0], rel=0.05)
    assert measure_pitch(sound_of(path)) == pytest.approx(
        measure_pitch(sound_of(spoken[1])), rel=0.08
    )


@pytest.mark.parametrize("synthesiser", one_of_each(), ids=lambda item: item.model.split()[0])
@pytest.mark.parametrize("factor", [0.75, 1.0, 1.9])
def test_the_pitch_is_that_of_the_sample(synthesiser: Synthesiser, tmp_path: Path, factor: float):
    man = sound_of(MONOLOGUE)
    # Played faster or slower: a smaller or a larger speaker.
    at = np.arange(0, man.size - 1, factor)
    sample = np.interp(at, np.arange(man.size), man).astype(np.int16)
    voice = write_sound(tmp_path / "voice.wav", "pcm_s16le", sample, rate=RATE)
    _, path = speak(DraftEngine([synthesiser]), tmp_path / "work", voice=voice)
    assert measure_pitch(sound_of(path)) == pytest.approx(factor * measure_pitch(man), rel=0.1)


def test_a_voice_too_far_off_is_met_half_way(engine: Engine, tmp_path: Path):
    man = sound_of(MONOLOGUE)
    giant = np.interp(np.arange(0, man.size - 1, 0.62), np.arange(man.size), man)
    voice = write_sound(tmp_path / "v.wav", "pcm_s16le", giant.astype(np.int16), rate=RATE)
    _, path = speak(engine, tmp_path / "work", "Good morning.", voice=voice)
    assert measure_pitch(sound_of(path)) > 0.9 * measure_pitch(man) / draft.MAX_SHIFT


def test_a_films_sound_can_be_the_sample(engine: Engine, tmp_path: Path):
    woman = sound_of(INTERVIEW)[: int(3.8 * RATE)]
    film = write_film(tmp_path / "voice.mp4", woman)
    _, path = speak(engine, tmp_path / "work", voice=film)
    assert measure_pitch(sound_of(path)) == pytest.approx(measure_pitch(woman), rel=0.1)


def test_a_silent_sample(engine: Engine, tmp_path: Path):
    silence = np.zeros(3 * RATE, np.int16)
    voice = write_sound(tmp_path / "silence.wav", "pcm_s16le", silence, rate=RATE)
    message = refused(engine, tmp_path / "work", voice=voice)
    assert message == "No speech can be heard in the voice sample."


def test_a_sample_that_does_not_decode(engine: Engine, tmp_path: Path):
    assert refused(engine, tmp_path, voice=BROKEN) == "The sound could not be decoded."


def test_a_text_without_anything_to_say(engine: Engine, tmp_path: Path):
    message = refused(engine, tmp_path, "... \u200b ---")
    assert message == "There is nothing in the text that can be read aloud."


@pytest.mark.parametrize("synthesiser", one_of_each(), ids=lambda item: item.model.split()[0])
@pytest.mark.parametrize("speed", [MIN_SPEED, 1.0, MAX_SPEED])
def test_a_text_that_lasts_too_long_is_told_by_how_much(
    synthesiser: Synthesiser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, speed: float
):
    """A sixth of the real bound is enough."""
    monkeypatch.setattr(draft, "MAX_SECONDS", draft.MAX_SECONDS / 6)
    text = FIVE_MINUTES[synthesiser.model.split()[0]]
    message = refused(DraftEngine([synthesiser]), tmp_path, text, speed=speed)
    reports = re.fullmatch(r"To be read in this voice at this speed, .* (\d+) % shorter\.", message)
    assert 20 < int(reports[1]) < 90


def test_accents_and_emoji_are_read(engine: Engine, tmp_path: Path):
    plain, _ = speak(engine, tmp_path / "1", "Naive.")
    more, _ = speak(engine, tmp_path / "2", "Naïve façades, 42 €, and a 😀.")
    assert more.duration_ms > 2 * plain.duration_ms


def test_a_long_text_reports_as_it_goes(engine: Engine, tmp_path: Path):
    reports: list[float] = []
    files = workspace_with(tmp_path, progress=reports.append)
    text = " ".join(["It rains."] * 200)
    result = engine.run(payload(text), files)
    assert result.duration_ms > 60_000
    assert reports == sorted(reports)
    assert reports[-1] == 1.0
    assert max(np.diff([0.0, *reports])) < 0.2


def test_a_cancelled_call_stops_in_the_middle_and_writes_nothing(engine: Engine, tmp_path: Path):
    def stop_halfway(share: float) -> None:
        if share > 0.4:
            raise StoppedError

    files = workspace_with(tmp_path, progress=stop_halfway)
    with pytest.raises(StoppedError):
        engine.run(payload(" ".join(["It rains."] * 100)), files)
    assert not files.output("result").exists()


def test_the_same_call_gives_the_same_sound(engine: Engine, tmp_path: Path):
    item, other = (speak(engine, tmp_path / name, "Again.")[1].read_bytes() for name in "ab")
    assert item == other


def test_the_limits_of_a_call():
    payload("a" * MAX_CHARACTERS, speed=MIN_SPEED)
    payload("a", speed=MAX_SPEED)
    for text, speed in (("a" * (MAX_CHARACTERS + 1), 1.0), ("", 1.0), ("a", 0.49), ("a", 2.01)):
        with pytest.raises(ValidationError):
            payload(text, speed=speed)


def test_a_draft_says_that_it_is_one(engine: Engine):
    assert engine.info.name == "draft"
    assert engine.info.model.startswith(("flite", "espeak-ng"))
