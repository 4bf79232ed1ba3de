"""Load GFPGAN v1.4 (Wang et al. 2021) by Spandrel, which knows RestoreFormer (2022) as well."""

from pathlib import Path
from typing import Any

import torch
from spandrel import ModelLoader

from gpu_tasks.faces.restoration import FaceRestorer

FILE = "GFPGANv1.4.pth"
ARCHITECTURES = frozenset({"GFPGAN", "RestoreFormer"})
"""Those that restore an aligned face, and take and give values from -1 to 1."""


def load_restorer(folder: Path, device: str, dtype: str) -> FaceRestorer:
    """The restorer whose weights lie in ``folder``.

    Raises ``FileNotFoundError`` without them, ``ValueError`` for a network of another kind.
    """
    loaded = ModelLoader().load_from_file(folder / FILE)
    if loaded.architecture.id not in ARCHITECTURES:
        raise ValueError(f"{folder / FILE} holds {loaded.architecture.id}, which restores no faces")
    wanted = _fitting(loaded, getattr(torch, dtype))
    model = loaded.to(device, wanted).eval().model

    def drawn(pictures: Any) -> Any:
        # Spandrel's own call takes GFPGAN's values for shares, and its noise would flicker.
        return model(pictures, return_rgb=False, randomize_noise=False)[0]

    return FaceRestorer(drawn, device, wanted)


def _fitting(loaded: Any, wanted: torch.dtype) -> torch.dtype:
    """What is wanted if the network can; else another of the same size, or float32."""
    if wanted == torch.float16 and not loaded.supports_half:
        wanted = torch.bfloat16
    if wanted == torch.bfloat16 and not loaded.supports_bfloat16:
        return torch.float32
    return wanted
