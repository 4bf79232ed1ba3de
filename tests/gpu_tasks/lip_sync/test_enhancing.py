"""New lips sharpened by a face restorer of the real kind, with few and random weights."""

from pathlib import Path

import numpy as np
import pytest

from gpu_tasks.lip_sync.contract import MODELS
from gpu_tasks.mediakit.audio import RATE
from gpu_tasks.mediakit.faces.detection import detect_faces
from gpu_tasks.mediakit.faces.mesh import detect_landmarks
from gpu_tasks.mediakit.film import probe
from gpu_tasks.runtime.engine import Host, load
from gpu_tasks.runtime.weights import get_folder
from tests.gpu_tasks.lip_sync import tiny
from tests.gpu_tasks.lip_sync.calls import filmed, nodding, synced
from tests.gpu_tasks.mediakit.faces.portrait import Place, scene
from tests.gpu_tasks.recordings import tone, write_sound

pytestmark = [pytest.mark.torch, pytest.mark.shims]


@pytest.fixture
def model_dir(tmp_path: Path) -> Path:
    from tests.gpu_tasks.mediakit.faces.tiny_restorer import save_tiny_restorer

    save_tiny_restorer(get_folder(tmp_path / "models", MODELS["restoration"]))
    return tiny.save(tmp_path / "models")


def test_an_enhanced_face_is_redrawn_below_and_not_above(model_dir: Path, tmp_path: Path):
    engine = load("lip_sync", "production", Host(model_dir))
    film = filmed(tmp_path / "film.mp4", nodding(3))
    sound = write_sound(tmp_path / "s.wav", "pcm_s16le", tone(0.2), rate=RATE)
    results, frames = [], []
    for enhanced in (False, True):
        work = tmp_path / str(enhanced)
        result, path = synced(engine, work, film, sound, enhance_face=enhanced)
        results.append(result)
        frames.append(list(probe(path).frames())[2].astype(int))
    assert results[0] == results[1]
    changes = np.abs(frames[0] - frames[1]).mean(axis=2)
    assert changes[100:140, 90:150].mean() > 5
    assert changes[:60].mean() < 2


def test_faces_are_enhanced_in_single_precision(model_dir: Path):
    frame = scene(Place(x=120, y=90, side=110), width=240, height=180)
    points = detect_landmarks(frame, detect_faces(frame)[0])
    half, single = (
        load("lip_sync", "production", Host(model_dir, dtype=dtype))._restorer()
        for dtype in ("float16", "float32")
    )
    assert np.array_equal(half.restore([frame], [points]), single.restore([frame], [points]))
