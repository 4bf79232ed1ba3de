import shutil
from pathlib import Path

import numpy as np
import pytest

from gpu_tasks.mediakit.faces.networks import (
    DETECTION,
    FOLDER,
    IRIS,
    MESH,
    Network,
    NetworkDamagedError,
    sigmoid,
    verify_network,
)

NETWORKS = (DETECTION, MESH, IRIS)


@pytest.mark.parametrize("network", NETWORKS, ids=lambda item: item.file)
def test_the_bundled_networks_are_the_known_ones(network: Network) -> None:
    assert verify_network(network).parent == FOLDER


def test_a_changed_network_is_refused(tmp_path: Path) -> None:
    shutil.copy(FOLDER / IRIS.file, tmp_path)
    content = bytearray((tmp_path / IRIS.file).read_bytes())
    content[-1] ^= 1
    (tmp_path / IRIS.file).write_bytes(content)
    with pytest.raises(NetworkDamagedError, match="SHA-256"):
        verify_network(IRIS, tmp_path)


def test_a_missing_network_is_named(tmp_path: Path) -> None:
    with pytest.raises(NetworkDamagedError, match=r"face_landmark\.tflite is missing"):
        verify_network(MESH, tmp_path)


def test_the_notice_names_every_file_and_its_licence() -> None:
    notice = (FOLDER / "NOTICE").read_text()
    assert "Apache License" in notice
    assert all(
        path.name in notice for path in FOLDER.iterdir() if path.name not in ("NOTICE", "LICENSE")
    )


def test_scores_far_out_do_not_overflow() -> None:
    with np.errstate(all="raise"):
        shares = sigmoid(np.array([-1e4, 0, 1e4], np.float32))
    assert shares == pytest.approx([0, 0.5, 1])
