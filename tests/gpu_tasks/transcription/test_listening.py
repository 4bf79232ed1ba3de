"""Sound is taken in as long as it was paid for."""

from pathlib import Path

import pytest

from gpu_tasks.audio import RATE, SoundTrack
from gpu_tasks.decoding import open_media
from gpu_tasks.engine import Engine
from gpu_tasks.errors import EngineError, ErrorCode, Stopped
from gpu_tasks.transcription.contract import PAID_TOLERANCE_MS
from gpu_tasks.transcription.listening import TOO_LONG, listen
from tests.gpu_tasks.recordings import tone, write_sound
from tests.gpu_tasks.transcription.calls import transcribe


@pytest.fixture
def three_seconds(tmp_path: Path) -> Path:
    return write_sound(tmp_path / "tone.wav", "pcm_s16le", tone(3.0), rate=RATE)


def heard_seconds(path: Path, paid_ms: int | None) -> float:
    with open_media(path) as container:
        blocks = listen(SoundTrack(container), paid_ms, lambda _share: None)
        return sum(block.samples.size for block in blocks) / RATE


@pytest.mark.parametrize("paid_ms", [None, 3_600_000, 3000, 3000 - PAID_TOLERANCE_MS])
def test_what_was_paid_for_is_heard_with_a_tolerance(three_seconds: Path, paid_ms: int | None):
    assert heard_seconds(three_seconds, paid_ms) == 3.0


@pytest.mark.parametrize("paid_ms", [0, 2999 - PAID_TOLERANCE_MS])
def test_sound_beyond_is_refused(three_seconds: Path, paid_ms: int):
    with pytest.raises(EngineError) as caught:
        heard_seconds(three_seconds, paid_ms)
    assert caught.value.code == ErrorCode.INPUT_INVALID
    assert caught.value.message == TOO_LONG


def test_every_block_is_told_and_may_be_the_last(three_seconds: Path):
    told: list[float] = []

    def stop_in_the_middle(share: float) -> None:
        told.append(share)
        if share > 0.5:
            raise Stopped

    with open_media(three_seconds) as container, pytest.raises(Stopped):
        list(listen(SoundTrack(container), None, stop_in_the_middle))
    assert told == sorted(told)
    assert 0.5 < told[-1] < 0.9


def test_the_draft_engine_refuses_it(engine: Engine, three_seconds: Path, tmp_path: Path):
    with pytest.raises(EngineError, match=TOO_LONG):
        transcribe(engine, three_seconds, tmp_path / "work", paid_ms=1000)
    result, _ = transcribe(engine, three_seconds, tmp_path / "again", paid_ms=3000)
    assert result.duration_ms == 3000
