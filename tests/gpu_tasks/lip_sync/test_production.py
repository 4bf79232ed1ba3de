"""The production engine with tiny random weights, loaded as the real ones are."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gpu_tasks.lip_sync.contract import MODELS, LipSyncResult
from gpu_tasks.mediakit.audio import RATE
from gpu_tasks.mediakit.film import probe
from gpu_tasks.runtime.engine import Engine, Host, load
from gpu_tasks.runtime.errors import ErrorCode, StoppedError
from gpu_tasks.runtime.runner import get_error_code
from tests.gpu_tasks.lip_sync import tiny
from tests.gpu_tasks.lip_sync.calls import (
    HEIGHT,
    WIDTH,
    filmed,
    nodding,
    payload,
    synced,
    workspace_of,
)
from tests.gpu_tasks.mediakit.faces.portrait import scene
from tests.gpu_tasks.recordings import SHORT, sound_of, tone, write_sound

pytestmark = [pytest.mark.torch, pytest.mark.xdist_group("lip_sync")]

SECONDS = 0.32


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    model_dir = tiny.save(tmp_path_factory.mktemp("models"))
    return load("lip_sync", "production", Host(model_dir))


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    speech = sound_of(SHORT)[: round(SECONDS * RATE)]
    path = tmp_path_factory.mktemp("sound") / "speech.wav"
    return write_sound(path, "pcm_s16le", speech, rate=RATE)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five frames with a face, and one without."""
    wall = scene(width=WIDTH, height=HEIGHT)
    return filmed(tmp_path_factory.mktemp("film") / "film.mp4", [*nodding(5), wall])


@pytest.fixture(scope="module")
def made(
    engine: Engine, film: Path, sound: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[LipSyncResult, Path]:
    return synced(engine, tmp_path_factory.mktemp("made"), film, sound)


def test_the_film_is_as_long_as_the_recording(made: tuple[LipSyncResult, Path]):
    result, path = made
    assert result == LipSyncResult(
        duration_ms=320, width=WIDTH, height=HEIGHT, frame_rate=25.0, frames=8, frames_with_face=7
    )
    frames = list(probe(path).frames())
    assert len(frames) == 8
    assert frames[0].shape == (HEIGHT, WIDTH, 3)
    assert probe(path).has_sound


def test_the_lower_face_is_painted_and_nothing_else(made: tuple[LipSyncResult, Path], film: Path):
    before, after = (list(probe(path).frames()) for path in (film, made[1]))
    changes = np.abs(before[2].astype(int) - after[2]).mean(axis=2)
    assert changes[100:135, 90:150].mean() > 20
    assert changes[:80].mean() < 4
    assert np.abs(before[5].astype(int) - after[5]).mean() < 4  # nobody is there


def test_the_same_call_gives_the_same_film(
    engine: Engine, film: Path, sound: Path, made: tuple[LipSyncResult, Path], tmp_path: Path
):
    _, again = synced(engine, tmp_path, film, sound)
    assert again.read_bytes() == made[1].read_bytes()


def test_another_recording_gives_another_mouth(
    engine: Engine, film: Path, made: tuple[LipSyncResult, Path], tmp_path: Path
):
    other = write_sound(tmp_path / "o.wav", "pcm_s16le", tone(SECONDS), rate=RATE)
    _, path = synced(engine, tmp_path / "work", film, other)
    item, two = (list(probe(entry).frames())[2].astype(int) for entry in (path, made[1]))
    assert np.abs(item - two)[95:140, 90:150].mean() > 1


def test_progress_is_told_in_order_and_a_cancelled_call_stops(
    engine: Engine, film: Path, sound: Path, tmp_path: Path
):
    reports: list[float] = []

    def progress(share: float) -> None:
        reports.append(share)
        if share > 0.5:
            raise StoppedError

    with pytest.raises(StoppedError):
        engine.run(payload(), workspace_of(tmp_path, film, sound, progress))
    assert reports == sorted(reports)
    assert len(reports) > 6


def test_what_runs_out_of_memory_says_so(engine: Engine, film: Path, sound: Path, tmp_path: Path):
    def full(_share: float) -> None:
        raise MemoryError

    with pytest.raises(MemoryError) as caught:
        engine.run(payload(), workspace_of(tmp_path, film, sound, full))
    assert get_error_code(caught.value) is ErrorCode.GPU_OOM


def test_weights_as_pytorch_wrote_them_are_the_same(
    made: tuple[LipSyncResult, Path], film: Path, sound: Path, tmp_path: Path
):
    model_dir = tiny.save(tmp_path / "models", safe=False)
    engine = load("lip_sync", "production", Host(model_dir))
    assert synced(engine, tmp_path / "work", film, sound)[1].read_bytes() == made[1].read_bytes()


def test_it_says_what_it_is_and_needs_its_weights(engine: Engine):
    assert (engine.info.name, engine.info.model) == ("production", MODELS["unet"])
    with pytest.raises(FileNotFoundError, match="MODEL_DIR"):
        load("lip_sync", "production")


def test_a_recording_is_heard_fifty_times_a_second(engine: Any):
    heard = engine._musetalk.encode_sound(sound_of(SHORT), lambda _share: None)
    assert heard.shape == (165, tiny.LAYERS + 1, tiny.CHANNELS)  # of 3.29 seconds


def test_a_recording_longer_than_whisper_hears_at_once_is_heard_on(engine: Any):
    reports: list[float] = []
    heard = engine._musetalk.encode_sound(np.zeros(31 * RATE, np.int16), reports.append)
    assert heard.shape[0] == 31 * 50
    assert reports == pytest.approx([30 / 31, 1.0])


def test_a_frame_is_told_of_what_is_heard_around_it():
    import torch

    from gpu_tasks.lip_sync.musetalk import select_windows

    heard = torch.arange(1.0, 101.0)[:, None, None].expand(100, 5, 3)
    windows = select_windows(heard, [0, 10, 49, 60], Fraction(25))
    assert windows.shape == (4, 50, 3)
    seen = windows[:, ::5, 0]
    assert seen[0].tolist() == [0, 0, 0, 0, 1, 2, 3, 4, 5, 6]
    assert seen[1].tolist() == list(range(17, 27))
    assert seen[2].tolist() == [95, 96, 97, 98, 99, 100, 0, 0, 0, 0]
    assert seen[3].tolist() == [0] * 10  # after the end
    assert select_windows(heard, [10], Fraction(30))[0, ::5, 0].tolist() == list(range(13, 23))


def test_places_are_told_by_sines_and_cosines():
    import torch

    from gpu_tasks.lip_sync.musetalk import _add_positions

    places = _add_positions(torch.zeros(1, 50, 4))[0]
    assert places[0].tolist() == [0, 1, 0, 1]
    assert places[7].tolist() == pytest.approx(
        [np.sin(7), np.cos(7), np.sin(0.07), np.cos(0.07)], abs=1e-5
    )


def test_it_runs_in_half_precision(film: Path, sound: Path, tmp_path: Path):
    model_dir = tiny.save(tmp_path / "models")
    engine = load("lip_sync", "production", Host(model_dir, dtype="float16"))
    result, path = synced(engine, tmp_path / "work", film, sound)
    assert len(list(probe(path).frames())) == result.frames == 8
