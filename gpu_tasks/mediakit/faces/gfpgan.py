"""Load GFPGAN v1.4 (Wang et al. 2021) by Spandrel, which knows RestoreFormer (2022) as well.

In single precision, as its authors run it: StyleGAN's layers overflow float16, and in bfloat16
each of them rounds what the one before has made.
"""

from pathlib import Path
from typing import Any

from spandrel import ModelLoader

from gpu_tasks.mediakit.faces.restoration import FaceRestorer

FILE = "GFPGANv1.4.pth"
ARCHITECTURES = frozenset({"GFPGAN", "RestoreFormer"})
"""Those that restore an aligned face, and take and give values from -1 to 1."""


def load_restorer(folder: Path, device: str) -> FaceRestorer:
    """The restorer whose weights lie in ``folder``.

    Raises ``FileNotFoundError`` without them, ``ValueError`` for a network of another kind.
    """
    loaded = ModelLoader().load_from_file(folder / FILE)
    if loaded.architecture.id not in ARCHITECTURES:
        raise ValueError(f"{folder / FILE} holds {loaded.architecture.id}, which restores no faces")
    model = loaded.to(device).eval().model

    def drawn(pictures: Any) -> Any:
        # Spandrel's own call takes GFPGAN's values for shares, and its noise would flicker.
        return model(pictures, return_rgb=False, randomize_noise=False)[0]

    return FaceRestorer(drawn, device)
