"""A face restorer of the real kind, with few and random weights."""

from pathlib import Path

import pytest
import torch

from tests.gpu_tasks.torchvision_shim import import_torchvision

FILE = "GFPGANv1.4.pth"


def save_tiny_restorer(folder: Path) -> Path:
    """Write its file into ``folder``; Spandrel reads its sizes off the weights.

    Skips the test where Spandrel cannot be imported.
    """
    import_torchvision()
    pytest.importorskip("spandrel")
    from spandrel.architectures.RestoreFormer import RestoreFormer

    torch.manual_seed(5)
    model = RestoreFormer(
        n_embed=8, embed_dim=16, ch=32, ch_mult=(1, 1, 1, 1, 1, 1), num_res_blocks=1, z_channels=16
    )
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(model.state_dict(), folder / FILE)
    return folder
