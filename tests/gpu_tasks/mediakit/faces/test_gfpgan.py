from pathlib import Path

import pytest
import torch

from gpu_tasks.mediakit.faces.detection import detect_faces
from gpu_tasks.mediakit.faces.mesh import detect_landmarks
from tests.gpu_tasks.mediakit.faces.portrait import Place, scene
from tests.gpu_tasks.mediakit.faces.tiny_restorer import FILE, save_tiny_restorer

pytestmark = [pytest.mark.torch, pytest.mark.shims]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_restorer(tmp_path_factory.mktemp("weights"))


def load_restorer(folder: Path):
    from gpu_tasks.mediakit.faces import gfpgan

    assert gfpgan.FILE == FILE
    return gfpgan.load_restorer(folder, "cpu")


def test_a_network_of_the_kind_is_loaded_and_draws(folder: Path):
    frame = scene(Place(x=120, y=90, side=110), width=240, height=180)
    points = detect_landmarks(frame, detect_faces(frame)[0])
    restorer = load_restorer(folder)
    (drawn,) = restorer.restore([frame], [points])
    assert drawn.shape == frame.shape
    assert not (drawn == frame).all()


def test_missing_weights_are_named(folder: Path, tmp_path: Path):
    with pytest.raises(FileNotFoundError, match=FILE):
        load_restorer(tmp_path)


def test_a_file_of_no_known_network_is_refused(folder: Path, tmp_path: Path):
    from spandrel import UnsupportedModelError

    torch.save({"weight": torch.zeros(3)}, tmp_path / FILE)
    with pytest.raises(UnsupportedModelError):
        load_restorer(tmp_path)


def test_a_network_that_restores_no_faces_is_refused(folder: Path, tmp_path: Path):
    from spandrel.architectures.Compact import Compact

    model = Compact(num_in_ch=3, num_out_ch=3, num_feat=4, num_conv=1, upscale=2)
    torch.save(model.state_dict(), tmp_path / FILE)
    with pytest.raises(ValueError, match="restores no faces"):
        load_restorer(tmp_path)
