"""Waveforms: the right pairs at the right times, and never too many."""

import io
import json
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gpu_tasks.mediakit.decoding import open_media
from media.derivation import peaks
from media.derivation.peaks import MAX_PAIRS, choose_rate
from tests.media import samples
from tests.media.films import film, halves, tone


class EnoughError(Exception):
    pass


def wav(sound: np.ndarray, *, rate: int = 48_000) -> bytes:
    """Samples (frames, or frames × channels) as a file."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as output:
        output.setnchannels(1 if sound.ndim == 1 else sound.shape[1])
        output.setsampwidth(2)
        output.setframerate(rate)
        output.writeframes(sound.astype("<i2").tobytes())
    return buffer.getvalue()


@pytest.fixture
def made(tmp_path: Path) -> Callable[..., Any]:
    """The document, read; None where there is none."""

    def make(content: bytes, seconds: float, name: str = "sound.wav") -> Any:
        (tmp_path / name).write_bytes(content)
        with open_media(tmp_path / name) as container:
            results = peaks.compute_peaks(container, int(seconds * 1000), lambda share: None)
        return None if results is None else json.loads(results)

    return make


def pairs(document: dict[str, Any]) -> np.ndarray:
    return np.array(document["data"]).reshape(-1, 2)


@pytest.mark.parametrize(
    ("seconds", "rate"),
    [(0.001, 100), (500, 100), (500.001, 50), (1000, 50), (2500, 20), (3600, 10), (43_200, 1)],
)
def test_the_finest_rate_that_is_not_too_much(seconds: float, rate: int) -> None:
    assert choose_rate(int(seconds * 1000)) == rate
    assert seconds * rate <= MAX_PAIRS


def test_silence_and_a_tone(made: Callable[..., Any]) -> None:
    document = made(wav(tone(1.0, silent_seconds=1.0)), 2)
    assert (document["version"], document["pairs_per_second"]) == (1, 100)
    assert document["length"] == len(document["data"]) // 2
    assert document["length"] == pytest.approx(200, abs=1)
    results = pairs(document)
    assert (results[:98] == 0).all()
    assert results[102:198, 0] == pytest.approx(-64, abs=2)
    assert results[102:198, 1] == pytest.approx(63, abs=2)


def test_the_loudest_sound_there_is(made: Callable[..., Any]) -> None:
    square = np.where(np.arange(16_000) // 40 % 2, 32767, -32768)
    results = pairs(made(wav(square, rate=16_000), 1))
    assert (results.min(), results.max()) == (-128, 127)


def test_of_a_film_at_its_own_times(made: Callable[..., Any]) -> None:
    content = film([halves(40, 220)] * 20, sound=tone(1.0, silent_seconds=1.0))
    results = pairs(made(content, 2, "film.mp4"))
    assert np.abs(results[:90]).max() <= 2
    assert results[110:190, 1].min() > 40


def test_all_channels_count(made: Callable[..., Any]) -> None:
    right = tone(0.5)
    results = pairs(made(wav(np.stack([np.zeros_like(right), right], axis=1)), 0.5))
    assert results[5:45, 1].min() > 20


def test_a_sound_longer_than_was_told_has_an_end(
    made: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peaks, "MAX_PAIRS", 100)
    assert made(wav(tone(1.0)), 1)["length"] == 100
    assert made(wav(tone(1.2)), 1)["length"] == 100


def test_what_does_not_decode_has_none(made: Callable[..., Any]) -> None:
    assert made(samples.video(sound=False), 0.4, "film.mp4") is None
    assert made(samples.wav(frames=0), 1) is None


def test_whoever_watches_may_stop_it(tmp_path: Path) -> None:
    def stop(share: float) -> None:
        raise EnoughError

    (tmp_path / "sound.wav").write_bytes(samples.wav())
    with open_media(tmp_path / "sound.wav") as container, pytest.raises(EnoughError):
        peaks.compute_peaks(container, 1000, stop)
