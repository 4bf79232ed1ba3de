"""Loading of GFPGAN v1.4 (Wang et al. 2021) by Spandrel, which also reads RestoreFormer (2022).

It runs in single precision, as its authors run it: StyleGAN's layers overflow float16, and in
bfloat16 every layer adds rounding errors.
"""

from pathlib import Path
from typing import Any

from spandrel import ModelLoader

from gpu_tasks.mediakit.faces.restoration import FaceRestorer

FILE = "GFPGANv1.4.pth"
ARCHITECTURES = frozenset({"GFPGAN", "RestoreFormer"})
"""Architectures that restore an aligned face, with values from -1 to 1 in and out."""


def load_restorer(folder: Path, device: str) -> FaceRestorer:
    """Load the restorer from the weights in ``folder``.

    Raises ``FileNotFoundError`` without them, ``ValueError`` for a network of another kind.
    """
    descriptor = ModelLoader().load_from_file(folder / FILE)
    if descriptor.architecture.id not in ARCHITECTURES:
        raise ValueError(
            f"{folder / FILE} holds {descriptor.architecture.id}, which restores no faces"
        )
    model = descriptor.to(device).eval().model

    def redraw(pictures: Any) -> Any:
        # Spandrel's own call expects values from 0 to 1, and its random noise would flicker.
        return model(pictures, return_rgb=False, randomize_noise=False)[0]

    return FaceRestorer(redraw, device)
