"""F5-TTS and Vocos of the real classes with random weights, saved as their authors publish them.

The packages need torchaudio, which has no build for CPUs: `make test-shims` runs their tests.
"""

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from gpu_tasks.runtime import weights
from gpu_tasks.tts.contract import MODELS, SAMPLE_RATE
from tests.gpu_tasks.shims import stand_in

PACKAGES = ("torch", "torchaudio", "f5_tts", "vocos", "x_transformers", "torchdiffeq")
SIZES = {"dim": 64, "depth": 2, "heads": 1, "ff_mult": 2, "text_dim": 32, "conv_layers": 1}
VOCABULARY = " abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.,!?'"
VOCODER = {
    "feature_extractor": {
        "class_path": "vocos.feature_extractors.MelSpectrogramFeatures",
        "init_args": {"sample_rate": SAMPLE_RATE, "n_fft": 1024, "hop_length": 256, "n_mels": 100},
    },
    "backbone": {
        "class_path": "vocos.models.VocosBackbone",
        "init_args": {
            "input_channels": 100,
            "dim": 32,
            "intermediate_dim": 64,
            "num_layers": 1,
        },
    },
    "head": {
        "class_path": "vocos.heads.ISTFTHead",
        "init_args": {"dim": 32, "n_fft": 1024, "hop_length": 256, "padding": "center"},
    },
}


def importable() -> None:
    """Make the packages importable, or skip the tests that need them."""
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}: make test-shims")
    stand_in()
    if "f5_tts.model" not in sys.modules:
        import transformers  # noqa: F401 - it looks for librosa, of which there is a stub below

        with _unneeded():
            importlib.import_module("vocos")
            importlib.import_module("f5_tts.model.cfm")


@contextmanager
def _unneeded() -> Iterator[None]:
    """Replace modules that these packages import and inference does not use."""
    stubs: dict[str, dict[str, Any]] = {
        "encodec": {"EncodecModel": None},
        "librosa": {},
        "librosa.filters": {"mel": None},
        "f5_tts.model.trainer": {"Trainer": None},
    }
    added = [name for name in stubs if name not in sys.modules]
    for name in added:
        stub = ModuleType(name)
        stub.__dict__.update(stubs[name])
        sys.modules[name] = stub
    yield
    for name in {"encodec", "librosa", "librosa.filters"}.intersection(added):
        del sys.modules[name]  # others ask whether these are installed


def save(model_dir: Path, *, variant: str = "F5TTS_v1_Base") -> Path:
    """Save both under the folder of models."""
    import torch

    torch.manual_seed(1)
    _save_acoustic(weights.get_folder(model_dir, MODELS["tts"]) / variant)
    _save_vocoder(weights.get_folder(model_dir, MODELS["vocoder"]))
    return model_dir


def _save_acoustic(folder: Path) -> None:
    import torch
    from f5_tts.model.backbones.dit import DiT
    from f5_tts.model.cfm import CFM
    from safetensors.torch import save_file

    transformer = DiT(**SIZES, mel_dim=100, text_num_embeds=len(VOCABULARY))
    torch.nn.init.normal_(transformer.proj_out.weight, std=0.2)
    torch.nn.init.normal_(transformer.norm_out.linear.weight, std=0.2)
    model = CFM(transformer=transformer)
    state = {f"ema_model.{name}": tensor for name, tensor in model.state_dict().items()}
    state |= {"initted": torch.tensor(True), "step": torch.tensor(1)}
    folder.mkdir(parents=True)
    save_file(state, folder / "model_1250000.safetensors")
    (folder / "vocab.txt").write_text("".join(f"{item}\n" for item in VOCABULARY), encoding="utf-8")


def _save_vocoder(folder: Path) -> None:
    import torch
    from vocos import Vocos

    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(VOCODER), encoding="utf-8")
    vocoder = Vocos.from_hparams(str(folder / "config.yaml"))
    torch.save(vocoder.state_dict(), folder / "pytorch_model.bin")
